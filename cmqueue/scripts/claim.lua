-- Take up to `limit` messages of one lane under a lease, the first lane of the order that has any.
-- ARGV: 1 batch id (fresh)  2 lease, ms  3 limit  4 byte cap  5 lanes in order, letters  6 most ambiguous at once
--       7 lanes, letters, that answer "linger" (claim again soon) instead of giving a batch that is not full  8 probe size
--       9 process  10 the sequence that it knows
-- Returns {"batch", expired ids, lane, "1" for a probe, jobs} | {"linger", expired ids, lane}
--       | {"empty", expired ids} | {"held", expired ids, why, ms to wait}
-- A claim with a known batch id returns that batch again.
compare_sequence()
local id, lease, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local byte_cap, order = tonumber(ARGV[4]), ARGV[5]
local known = call('HMGET', key('meta:', id), 'lane', 'probe')
if known[1] then
  return with_sequence({'batch', {}, known[1], known[2], call('LRANGE', key('batch:', id), 0, -1)})
end

local gate = call('HMGET', key('gate'), 'closed', 'until')
local probe = '0'
if gate[1] then
  local opens = tonumber(gate[2]) or 0
  if now_ms < opens then return with_sequence({'held', {}, gate[1], opens - now_ms}) end
  probe = '1'
  limit = math.min(limit, tonumber(ARGV[8]))
end

local room = tonumber(ARGV[6]) - call('ZCARD', key('doubt'))
if room < (call('ZCARD', key('leases')) + 1) * 1000 then -- only then is it worth counting exactly
  local open = call('ZRANGE', key('leases'), 0, -1)
  for i = 1, #open do room = room - call('LLEN', key('batch:', open[i])) end
  if room < 1 then
    begin_though_full()
    -- Looked at, and held for a reason: these lanes are not neglected.
    for n = 1, #order do call('HSET', key('pulse'), sub(order, n, n), now_ms) end
    return with_sequence({'held', {}, 'ambiguous', 1000})
  end
  limit = math.min(limit, room)
end
-- An orphan is taken whole, but for a probe or where there is no room for so many in doubt.
local orphan_limit = probe == '1' and limit or room

begin_though_full()
local function lease_out(lane, jobs, reclaims)
  call('HSET', key('meta:', id), 'lane', lane, 'phase', 'claimed', 'probe', probe, 'reclaims', reclaims)
  call('ZADD', key('leases'), now_ms + lease, id)
  call('HSET', key('pulse'), lane, now_ms)
  -- One probe at a time: the next may go when this one's lease has ended without an answer.
  if probe == '1' then call('HSET', key('gate'), 'until', now_ms + lease) end
  dirty = true -- a claim, too, is a change that must not be lost
  close()
  return with_sequence({'batch', expired_now, lane, probe, jobs})
end

-- Those of `jobs` that may go. After a rollback what is sent at most once may have been sent: it is set aside.
local rolled_back = call('EXISTS', key('rolled_back')) == 1
local function sendable(lane, jobs)
  local kept = sift(jobs)
  if not rolled_back then return kept end
  local free = set_aside(lane, kept)
  if #free < #kept then call('HSET', key('pulse'), lane, now_ms) end
  return free
end

local pauses = call('HKEYS', key('pauses'))
local paused = {}
for i = 1, #pauses do paused[pauses[i]] = true end

for n = 1, #order do
  local lane = sub(order, n, n)
  local fresh, ready = key('lane:', lane), key('ready:', lane)
  if not paused[lane] then
    for _ = 1, 5 do -- the next one, where all of an orphan have expired or were withdrawn
      local orphan = call('LPOP', key('orphans:', lane))
      if not orphan then break end
      local reclaims = tonumber(call('HGET', key('meta:', orphan), 'reclaims')) or 0
      local jobs = sendable(lane, call('LRANGE', key('batch:', orphan), 0, orphan_limit - 1))
      if call('LLEN', key('batch:', orphan)) > orphan_limit then
        call('LTRIM', key('batch:', orphan), orphan_limit, -1)
        call('LPUSH', key('orphans:', lane), orphan)
      else
        call('DEL', key('batch:', orphan), key('meta:', orphan))
      end
      if #jobs > 0 then
        call('RPUSH', key('batch:', id), unpack(jobs))
        return lease_out(lane, jobs, reclaims)
      end
    end
    local waiting, back = call('LLEN', fresh), call('LLEN', ready)
    if waiting + back > 0 then
      if waiting + back < limit and string.find(ARGV[7], lane, 1, true) then
        close()
        return with_sequence({'linger', expired_now, lane})
      end
      local tries = 0
      while tries < 5 and (waiting + back) > 0 do
        tries = tries + 1
        -- What comes back takes up to half, ahead of the fresh; either fills what the other leaves.
        local from_back = math.min(back, math.max(math.ceil(limit / 2), limit - waiting))
        local taken = from_back > 0 and call('LPOP', ready, from_back) or {}
        local from_fresh = math.min(waiting, limit - #taken)
        local more = from_fresh > 0 and call('LPOP', fresh, from_fresh) or {}
        local kept = sendable(lane, taken)
        local returning = #kept
        local others = sendable(lane, more)
        for i = 1, #others do kept[returning + i] = others[i] end
        local bytes, fit = 0, 0
        for i = 1, #kept do
          bytes = bytes + #kept[i]
          if bytes > byte_cap and i > 1 then break end
          fit = i
        end
        if fit < #kept then
          local surplus_back, surplus_fresh = {}, {}
          for i = fit + 1, #kept do
            if i <= returning then surplus_back[#surplus_back + 1] = kept[i]
            else surplus_fresh[#surplus_fresh + 1] = kept[i] end
            kept[i] = nil
          end
          push_front(ready, surplus_back)
          push_front(fresh, surplus_fresh)
        end
        if #kept > 0 then
          call('RPUSH', key('batch:', id), unpack(kept))
          return lease_out(lane, kept, 0)
        end
        waiting, back = call('LLEN', fresh), call('LLEN', ready)
      end
      if waiting + back > 0 then -- all that was looked at has expired or is held, and there is more: ask again
        close()
        return with_sequence({'linger', expired_now, lane})
      end
    end
  end
end
close()
return with_sequence({'empty', expired_now})
