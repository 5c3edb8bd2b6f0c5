-- Say, before each try, that a batch is about to be posted: renews the lease, refuses a batch that is gone,
-- and takes out the members that expired, were withdrawn, did not fit the request, or are held after a rollback.
-- ARGV: 1 batch id  2 lease, ms  3 earliest expiry in the batch, seconds (0: look at all)
--       4... ids to give back to the front of their lane, then process and known sequence
-- Returns {"lost"} | {"marked", how many are left, expired ids}. Fewer than the caller holds: read it again.
compare_sequence()
local id, lease, earliest = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local about = call('HMGET', key('meta:', id), 'lane', 'phase')
local lane, phase = about[1], about[2]
if not lane or not call('ZSCORE', key('leases'), id) then return with_sequence({'lost'}) end
begin_though_full()
local batch = key('batch:', id)
-- In the time that a rollback took away, others may have claimed and sent what was only claimed here. What was
-- marked here they could only doubt, and it may be in a request right now: it stays.
local held = phase ~= 'posting' and call('EXISTS', key('rolled_back')) == 1
if held or #ARGV > 3 or earliest <= now_s or call('SCARD', key('withdrawn')) > 0 then
  local given, back, stay = {}, {}, {}
  for i = 4, #ARGV do given[ARGV[i]] = true end
  local jobs = call('LRANGE', batch, 0, -1)
  for i = 1, #jobs do
    local pile = given[job_id(jobs[i])] and back or stay
    pile[#pile + 1] = jobs[i]
  end
  push_front(key('ready:', lane), back)
  local kept = sift(stay)
  if held then kept = set_aside(lane, kept) end
  if #kept < #jobs then
    dirty = true
    call('DEL', batch)
    if #kept > 0 then call('RPUSH', batch, unpack(kept)) end
  end
end
local left = call('LLEN', batch)
if left > 0 then
  if phase ~= 'posting' then
    call('HSET', key('meta:', id), 'phase', 'posting')
    dirty = true
  end
  call('ZADD', key('leases'), now_ms + lease, id)
else
  -- A probe that never goes out: the next may go at once.
  if call('HGET', key('meta:', id), 'probe') == '1' then call('HSET', key('gate'), 'until', now_ms) end
  call('DEL', key('meta:', id))
  call('ZREM', key('leases'), id)
end
close()
return with_sequence({'marked', left, expired_now})
