-- Claim nothing for a while, then one probe: what CM reports of messages calls for less.
-- ARGV: 1 why, a word for `explain`  2 how long, ms
-- An answer to what was claimed before does not end it, only that to the probe: CM takes the messages it fails later.
-- Returns 1 where that holds the partition longer than what held it already, else 0
local gate, ends = key('gate'), now_ms + tonumber(ARGV[2])
if ends <= (tonumber(call('HGET', gate, 'until')) or 0) then return 0 end
begin_though_full()
call('HSET', gate, 'closed', 'stopped:' .. ARGV[1], 'step', ARGV[2], 'until', ends, 'slowed', '1')
dirty = true
close()
return 1
