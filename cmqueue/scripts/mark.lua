-- Say, before each try, that a batch is about to be posted: renews the lease, refuses a batch that is gone,
-- and takes out the members that expired, were withdrawn, may get nothing from their sender, did not fit the request,
-- or are held after a rollback.
-- ARGV: 1 batch id  2 lease, ms  3 earliest expiry in the batch, seconds (0: look at all)
--       4 what is held against the suppression list: 24 bytes for each job, in the batch's order: hash of its number,
--         sender (cmqueue/suppression.py); "" where the caller does not know of a list, "-" where it is not asked
--       5... ids to give back to the front of their lane, then process and known sequence
-- Returns {"lost"} | {"screen"}: there is a list, so say 4 of all that the batch holds now
--       | {"marked", how many are left, expired ids, suppressed: id, letter of why, id, …}.
-- Fewer than the caller holds: read it again.
compare_sequence()
local id, lease, earliest = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local about = call('HMGET', key('meta:', id), 'lane', 'phase')
local lane, phase = about[1], about[2]
if not lane or not call('ZSCORE', key('leases'), id) then return with_sequence({'lost'}) end
local batch, screens = key('batch:', id), ARGV[4]
local listed = screens ~= '-' and call('EXISTS', key('suppressed')) == 1
if listed and #screens ~= 24 * call('LLEN', batch) then return with_sequence({'screen'}) end
begin_though_full()

-- The numbers of `jobs` that are on the list, for their sender or for any: place -> letter of why.
local ANY = string.rep('\0', 8)
local function on_the_list(jobs)
  local numbers, found = {}, {}
  for i = 1, #jobs do numbers[i] = sub(screens, i * 24 - 23, i * 24 - 8) end
  local entries = call('HMGET', key('suppressed'), unpack(numbers))
  for i = 1, #jobs do
    for at = 1, entries[i] and #entries[i] or 0, 13 do
      local sender = sub(entries[i], at, at + 7)
      if sender == ANY or sender == sub(screens, i * 24 - 7, i * 24) then
        found[i] = found[i] or sub(entries[i], at + 8, at + 8)
      end
    end
  end
  return found
end

-- What may have arrived before was not suppressed: it is in doubt, and is not resent any more.
local WHY = {o = 60, u = 61, b = 62}
local suppressed_now = {}
local function suppress(job, why)
  local its_id, name = job_id(job), job_name(job)
  if call('SREM', key('withdrawn'), its_id) == 1 then return release_content(job) end
  local row = current_row(its_id)
  if not row or finished(row_state(row)) then return release_content(job) end
  if doubted(job) then
    move(name, row, 'm', WHY[why] or 55, 0)
    park('doubt', its_id, job_counted(job, 0, 255), now_ms)
    return
  end
  move(name, row, 'S', WHY[why] or 55, 0)
  release_content(job)
  suppressed_now[#suppressed_now + 1] = its_id
  suppressed_now[#suppressed_now + 1] = why
end
-- In the time that a rollback took away, others may have claimed and sent what was only claimed here. What was
-- marked here they could only doubt, and it may be in a request right now: it stays.
local held = phase ~= 'posting' and call('EXISTS', key('rolled_back')) == 1
local jobs = listed and call('LRANGE', batch, 0, -1)
local unwanted = listed and #jobs > 0 and on_the_list(jobs) or {}
if held or #ARGV > 4 or next(unwanted) or earliest <= now_s or call('SCARD', key('withdrawn')) > 0 then
  local given, back, stay = {}, {}, {}
  for i = 5, #ARGV do given[ARGV[i]] = true end
  jobs = jobs or call('LRANGE', batch, 0, -1)
  for i = 1, #jobs do
    if unwanted[i] then
      suppress(jobs[i], unwanted[i])
    else
      local pile = given[job_id(jobs[i])] and back or stay
      pile[#pile + 1] = jobs[i]
    end
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
return with_sequence({'marked', left, expired_now, suppressed_now})
