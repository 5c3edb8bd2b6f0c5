-- Halve a batch whose request was refused as a whole, so that its holder finds who is at fault: nothing of it
-- was taken. Both halves keep its order and lane, are leased to the same holder, and may go freely.
-- ARGV: 1 batch id  2, 3 ids of the halves (fresh)  4 lease, ms  5... batches whose lease is renewed too
-- Returns {"split", size of the first, size of the second} | {"lost"} when the batch, or a half, was reclaimed.
-- A repeated call finds the halves, and changes nothing.
local id, first, second = ARGV[1], ARGV[2], ARGV[3]
local batch, meta = key('batch:', id), key('meta:', id)
local about = call('HMGET', meta, 'lane', 'probe')
local lane = about[1]
if not lane and call('ZSCORE', key('leases'), first) and call('ZSCORE', key('leases'), second) then
  return {'split', call('LLEN', key('batch:', first)), call('LLEN', key('batch:', second))}
end
if not lane or not call('ZSCORE', key('leases'), id) then return {'lost'} end
local size = call('LLEN', batch)
if size < 2 then return redis.error_reply('ERR split: a batch of ' .. size) end
local half = math.ceil(size / 2)
local rest = call('LRANGE', batch, half, -1)
begin_though_full()
call('RPUSH', key('batch:', second), unpack(rest))
call('LTRIM', batch, 0, half - 1)
call('RENAME', batch, key('batch:', first))
call('DEL', meta)
call('ZREM', key('leases'), id)
for n = 2, 3 do -- no probes any more: the refusal was an answer
  call('HSET', key('meta:', ARGV[n]), 'lane', lane, 'phase', 'claimed', 'probe', '0', 'reclaims', 0)
  call('ZADD', key('leases'), now_ms + tonumber(ARGV[4]), ARGV[n])
end
for n = 5, #ARGV do call('ZADD', key('leases'), 'XX', now_ms + tonumber(ARGV[4]), ARGV[n]) end
open_gate(about[2])
return {'split', half, size - half}
