-- The slow scan: messages that expired inside a list, behind a pause or a stop. Their rows end here; a
-- tombstone stays for the job.
-- ARGV: 1 lane letter  2 where to begin  3 how many to look at
-- Returns {where to go on, 0 at the end; expired ids}
begin_though_full()
local lane, from, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local expired, ids, jobs, lists = {}, {}, {}, {}
for _, name in ipairs({'lane:', 'ready:', 'aside:'}) do
  for _, job in ipairs(call('LRANGE', key(name, lane), from, from + most - 1)) do
    if job_expired(job) then
      ids[#ids + 1] = job_id(job)
      jobs[#jobs + 1] = job
      lists[#lists + 1] = key(name, lane)
    end
  end
end
if #ids > 0 then
  local rows = load_rows(ids)
  for i = 1, #ids do
    local row = rows[i]
    if row and not finished(row_state(row)) then
      if doubted(jobs[i]) then -- few, and only among those that come back or were set aside
        call('LREM', lists[i], 1, jobs[i])
        expire(ids[i], row, jobs[i])
      else
        move(job_name(jobs[i]), row, 'E', 53, 0)
        call('SADD', key('withdrawn'), ids[i])
        expired[#expired + 1] = ids[i]
      end
    end
  end
end
close()
local on = from + most
if on >= math.max(call('LLEN', key('lane:', lane)), call('LLEN', key('ready:', lane)), call('LLEN', key('aside:', lane))) then
  on = 0
end
return {on, expired}
