-- Batches whose lease has ended, read only: what is in doubt is logged before anything makes it resendable.
-- Returns {batch, end of its lease in ms, phase, jobs} for each, 10 at most
local lost = {}
local ended = call('ZRANGEBYSCORE', key('leases'), '-inf', now_ms, 'WITHSCORES', 'LIMIT', 0, 10)
for i = 1, #ended, 2 do
  local id = ended[i]
  local phase = call('HGET', key('meta:', id), 'phase') or ''
  lost[#lost + 1] = {id, ended[i + 1], phase, phase == 'posting' and call('LRANGE', key('batch:', id), 0, -1) or {}}
end
return lost
