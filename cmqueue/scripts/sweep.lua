-- One pass over what time moves: due messages, ended doubt, lost leases, expiry while parked, forgetting.
-- ARGV: 1 most of each kind to move  2 reconcile window, ms
--       3 urgent, 4 normal, 5 bulk: doubt before a resend, ms  6 most resends
--       7 how long dead and unknown messages are kept, ms  8 lanes to look after, letters
--       9 a lane is stale when nothing was claimed for this long, ms  10 wake-up token's life, ms
--       11... batches to reclaim, each with the end of its lease as `lost` read it, ms,
--       then process and the sequence that it knows
-- Returns {lanes to wake, lanes to drain without the broker, 1 when more is left to move,
--          a list of word, id, detail, word, …}
-- Every step is idempotent; any number of sweepers may run.
compare_sequence()
local most, reconcile, kept_for = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[7])
local told, more = {}, 0
begin_though_full()
local function tell(word, id, detail)
  told[#told + 1] = word
  told[#told + 1] = id
  told[#told + 1] = detail
end
local max_resends = tonumber(ARGV[6])
local function may_resend(job)
  return job_flag(job, AT_LEAST_ONCE) and byte(job, 5) < max_resends
end
local doubt_ms = {u = tonumber(ARGV[3]), n = tonumber(ARGV[4]), b = tonumber(ARGV[5])}

local function due_in(zset)
  local ids = call('ZRANGEBYSCORE', key(zset), '-inf', now_ms, 'LIMIT', 0, most)
  if #ids == 0 then return ids, {}, {} end
  if #ids == most then more = 1 end
  return ids, call('HMGET', key('jobs'), unpack(ids)), load_rows(ids)
end

-- 1. Batches whose lease has ended: free to go again when never posted, in doubt otherwise. One that was marked since the
-- sweeper read it has a later end: it may have been posted, and of that nothing is logged yet.
for n = 11, #ARGV, 2 do
  local id, seen = ARGV[n], tonumber(ARGV[n + 1])
  if tonumber(call('ZSCORE', key('leases'), id)) == seen then
    local meta, batch = key('meta:', id), key('batch:', id)
    local about = call('HMGET', meta, 'lane', 'phase', 'reclaims')
    local lane = about[1]
    call('ZREM', key('leases'), id)
    dirty = true
    if lane and about[2] == 'posting' then
      local jobs, ids = call('LRANGE', batch, 0, -1), {}
      for i = 1, #jobs do ids[i] = job_id(jobs[i]) end
      local rows = load_rows(ids)
      for i = 1, #jobs do
        local row = rows[i]
        if row and not finished(row_state(row)) then
          local window = may_resend(jobs[i]) and doubt_ms[lane] or reconcile -- else only a receipt can help
          move(job_name(jobs[i]), row, 'm', 36, 0, 1)
          park('doubt', ids[i], job_counted(jobs[i], 1, 0), now_ms + window)
          tell('ambiguous', ids[i], id)
        else
          call('SREM', key('withdrawn'), ids[i])
          release_content(jobs[i])
        end
      end
      call('DEL', batch, meta)
    elseif lane then
      local reclaims = call('HINCRBY', meta, 'reclaims', 1)
      local size = call('LLEN', batch)
      if reclaims >= 3 and size == 1 then -- whoever takes it dies: it never gets a fourth
        local job = call('LINDEX', batch, 0)
        local row = load_rows({job_id(job)})[1]
        if row and not finished(row_state(row)) then
          move(job_name(job), row, 'X', 51, 0)
          park('kept', job_id(job), job, now_ms + kept_for)
          tell('dead', job_id(job), id)
        else
          call('SREM', key('withdrawn'), job_id(job))
          release_content(job)
        end
        call('DEL', batch, meta)
      elseif reclaims >= 3 then
        local half = math.floor(size / 2)
        local second = id .. '.' .. reclaims .. now_ms
        call('RPUSH', key('batch:', second), unpack(call('LRANGE', batch, half, -1)))
        call('LTRIM', batch, 0, half - 1)
        call('HSET', key('meta:', second), 'lane', lane, 'phase', 'claimed', 'probe', '0', 'reclaims', 1)
        call('HSET', meta, 'reclaims', 1)
        call('RPUSH', key('orphans:', lane), id, second)
        tell('split', '', id)
      else
        call('RPUSH', key('orphans:', lane), id)
        tell('reclaimed', '', id)
      end
    end
  end
end

close()

-- 2. Doubt that has lasted its window: the guarantee decides.
local ids, jobs, rows = due_in('doubt')
local resend = {}
for i = 1, #ids do
  local id, job, row = ids[i], jobs[i], rows[i]
  call('ZREM', key('doubt'), id)
  if job and row and row_state(row) == 'm' then
    if may_resend(job) and not job_expired(job) then
      call('HDEL', key('jobs'), id)
      local lane = job_lane(job)
      resend[lane] = resend[lane] or {}
      resend[lane][#resend[lane] + 1] = job_counted(job, 0, 1)
      move(id, row, 'q', 41, 0, 0, 1)
      tell('resent', id, '')
    else
      local exhausted = job_flag(job, AT_LEAST_ONCE) and not may_resend(job)
      move(job_name(job), row, 'U', exhausted and 42 or 40, 0)
      park('kept', id, job, now_ms + kept_for)
      tell('unknown', id, exhausted and 'resends_exhausted' or 'window_ended')
    end
  end
end
for lane, list in pairs(resend) do call('RPUSH', key('ready:', lane), unpack(list)) end
close()

-- 3. Messages that are due, from a schedule or a retry.
ids, jobs, rows = due_in('due')
local release = {}
for i = 1, #ids do
  local id, job, row = ids[i], jobs[i], rows[i]
  unpark('due', id)
  if job and row and row_state(row) == 's' then
    if job_expired(job) then
      if expire(id, row, job) then tell('expired', id, '') end
    else
      local lane = job_lane(job)
      release[lane] = release[lane] or {}
      release[lane][#release[lane] + 1] = job
      move(id, row, 'q', 2, 0)
    end
  end
end
for lane, list in pairs(release) do call('RPUSH', key('ready:', lane), unpack(list)) end

-- 4. Dead and unknown messages whose time to be redriven is over, and sent ones that would expire before they could be
-- sent anew: their number and content go.
ids, jobs = due_in('kept')
for i = 1, #ids do
  if jobs[i] then release_content(jobs[i]) end
  unpark('kept', ids[i])
end
ids = call('ZRANGEBYSCORE', key('sent_until'), '-inf', now_ms, 'LIMIT', 0, most)
if #ids == most then more = 1 end
for i = 1, #ids do drop_sent(ids[i]) end
close()

-- 5. What a rollback had set aside, when an operator has resumed: to the front of its lane, in its order.
if call('EXISTS', key('rolled_back')) == 0 then
  for _, lane in ipairs({'u', 'n', 'b'}) do
    local aside = call('RPOP', key('aside:', lane), most)
    if aside then
      call('LPUSH', key('ready:', lane), unpack(aside))
      dirty = true
      if #aside == most then more = 1 end
    end
  end
  close()
end

-- 6. Lanes with a backlog: wake whoever serves them; a stale one is drained without the broker.
local wake, stale = '', ''
local shut = call('HGET', key('gate'), 'until')
if not shut or tonumber(shut) <= now_ms then
  for n = 1, #ARGV[8] do
    local lane = sub(ARGV[8], n, n)
    local last = tonumber(call('HGET', key('pulse'), lane)) or 0
    local backlog = call('LLEN', key('lane:', lane)) + call('LLEN', key('ready:', lane))
      + call('LLEN', key('orphans:', lane))
    if backlog == 0 then -- an idle lane is not a stale one
      call('HSET', key('pulse'), lane, now_ms)
    elseif call('HEXISTS', key('pauses'), lane) == 0 then
      if now_ms - last > tonumber(ARGV[9]) then
        stale = stale .. lane
      elseif call('SET', key('wake:', lane), '1', 'NX', 'PX', ARGV[10]) then
        wake = wake .. lane
      end
    end
  end
end
return with_sequence({wake, stale, more, told})
