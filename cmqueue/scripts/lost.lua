-- Batches whose lease has ended, read only: what is in doubt is logged before anything makes it resendable.
-- Returns triples {batch, phase, jobs}, 10 at most
local lost = {}
for i, id in ipairs(call('ZRANGEBYSCORE', key('leases'), '-inf', now_ms, 'LIMIT', 0, 10)) do
  local phase = call('HGET', key('meta:', id), 'phase') or ''
  lost[i] = {id, phase, phase == 'posting' and call('LRANGE', key('batch:', id), 0, -1) or {}}
end
return lost
