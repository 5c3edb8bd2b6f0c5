-- What every script begins with: offsets of jobs and rows (format 1), the clock, and the double-entry tally.
--
-- Keys of a partition all start with `cmq:{XX}:`, so they live in one slot of a cluster:
--   rows:<bucket>   hash   tail of the id -> row
--   tally:<bucket>  hash   state letter -> how many rows of the bucket; `last` = last finish, seconds; `until` = when
--                          the last idempotency key of a broadcast in it ends, seconds
--   buckets         zset   bucket -> when to look whether it can be dropped, seconds
--   counts          hash   `enqueued`, state letter -> rows ever moved there less those that left,
--                          `dropped:<letter>` -> rows gone with their bucket, `seq` -> rises with every change
--   lane:<l>        list   fresh jobs            ready:<l>  list  jobs that come back: due, retried, given back
--   due             zset   id -> milliseconds    doubt      zset  id -> end of the reconcile window, milliseconds
--   kept            zset   id -> when forgotten (dead and unknown messages)
--   jobs            hash   id -> job, for the members of due, doubt and kept
--   sent            hash   id -> job, of accepted messages that are sent anew where CM reports a passing failure
--   sent_until      zset   id -> when that would be too late, milliseconds
--   withdrawn       set    ids whose row is finished while their job still lies in a list or batch
--   leases          zset   batch -> end of its lease, milliseconds
--   batch:<id>      list   the batch's jobs      meta:<id>  hash  its phase, lane, reclaims, probe
--   orphans:<l>     list   batches whose holder vanished before posting
--   gate            hash   brake and account stop            pauses  hash  lane letter -> reason
--   poison          hash   lane letter -> successive batches with a message that no request may hold
--   contents        hash   digest -> shared content          content_refs  hash  digest -> unfinished messages
--   wake:<l>        string the wake-up token                 pulse   hash  lane letter -> last claim, milliseconds
--   rolled_back     hash   `at` (milliseconds), `from`, `to`: the hold on all that is sent at most once
--   aside:<l>       list   jobs that this hold keeps back   told:<p>  string  the sequence that a worker process knows
--   idem:<hmac>     string id, random end, payload digest    call:<id> string  the answer to a repeated call
--   suppressed      hash   hash of a number -> its entries: see scripts/suppress.lua
--   events          stream what the app is told: see cmqueue/events/event.py. Who subscribes makes it
-- An id inside these structures is bucket (4) and tail (20), 24 characters.
local prefix = string.match(KEYS[1], '^(.-}:)')
local call, sub, byte, char, min = redis.call, string.sub, string.byte, string.char, math.min
local clock = call('TIME')
local now_s = tonumber(clock[1])
local now_ms = now_s * 1000 + math.floor(tonumber(clock[2]) / 1000)

local function key(name, suffix)
  return prefix .. name .. (suffix or '')
end

-- At its `maxmemory` Redis refuses a script whose first write could grow. The scripts of the way out begin with a
-- write that can't, after which it lets them go on: a full outbox must be emptied.
local function begin_though_full()
  call('DEL', key('nothing'))
end

-- A worker process remembers the highest sequence that it was told, and Redis remembers it too. Where Redis knows of
-- less, it has gone back in time: all that is sent at most once is held, and the sequence goes on above what was told.
-- Where Redis knows of nothing, the process began in the time that is lost, however much was enqueued since: what it is
-- told is kept for a week and renewed while the process calls, changes or none.
-- The last two arguments of a script that calls this are the process, or "" for none, and what it knows.
local WEEK_MS = 7 * 24 * 3600 * 1000
local watcher, told_before, fell_to = '', nil, -1
local function compare_sequence()
  local known = tonumber(table.remove(ARGV))
  watcher = table.remove(ARGV)
  if watcher == '' then return end
  local sequence = tonumber(call('HGET', key('counts'), 'seq')) or 0
  told_before = tonumber(call('GET', key('told:', watcher)))
  if told_before and known < told_before then -- perhaps a repeat of the call that saw it, whose reply was lost
    local seen = call('HMGET', key('rolled_back'), 'from', 'to')
    if tonumber(seen[1]) == known then fell_to = tonumber(seen[2]) end
  end
  if known <= (told_before or 0) then return end
  fell_to = told_before or math.min(sequence, known - 1)
  begin_though_full()
  call('HSET', key('rolled_back'), 'at', now_ms, 'from', known, 'to', fell_to)
  call('HINCRBY', key('counts'), 'seq', math.max(known - sequence, 0) + 1)
end
-- The reply of such a script: with the sequence, and what Redis remembered if that was too little, else -1.
local function with_sequence(reply)
  if watcher == '' then return reply end
  local sequence = tonumber(call('HGET', key('counts'), 'seq')) or 0
  if sequence ~= told_before or call('PTTL', key('told:', watcher)) < WEEK_MS / 2 then
    begin_though_full()
    call('SET', key('told:', watcher), sequence, 'PX', WEEK_MS)
  end
  reply[#reply + 1] = {sequence, fell_to}
  return reply
end

local function u32(text, at)
  local a, b, c, d = byte(text, at, at + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

-- Lower case waits, upper case is finished.
local function finished(letter)
  return byte(letter) < 97
end

-- jobs: see cmqueue/job.py
local AT_LEAST_ONCE, SHARED, DOUBTED = 1, 2, 8
local function job_id(job) return sub(job, 14, 37) end
local function job_name(job) return sub(job, 14, 47) end -- the id, and the random end of the reference
local function job_bucket(job) return sub(job, 14, 17) end
local function job_random(job) return sub(job, 38, 47) end
local function job_lane(job) return sub(job, 2, 2) end
local function job_expired(job) return u32(job, 6) <= now_s end
local function job_flag(job, flag) return math.floor(byte(job, 3) / flag) % 2 == 1 end
local function job_counted(job, attempts, resends)
  return sub(job, 1, 3) .. char(math.min(255, byte(job, 4) + attempts))
    .. char(math.min(255, byte(job, 5) + resends)) .. sub(job, 6)
end
local function job_digest(job) return sub(job, -16) end

-- rows: see cmqueue/row.py
local HISTORY_AT, ENTRY, MOST_ENTRIES = 12, 8, 40
local function entry(letter, reason, code)
  return letter .. struct.pack('>I1I2I4', reason, code, now_s)
end
local function row_state(row) return sub(row, 2, 2) end
local function row_flag(row, flag) return math.floor(byte(row, 4) / flag) % 2 == 1 end
local function row_append(row, letter, mark, attempts, resends, parts)
  local made, resent, had, count = byte(row, 5, 8)
  local history_end = HISTORY_AT + ENTRY * count
  local history = sub(row, 9, history_end)
  if count >= MOST_ENTRIES then -- the first entry stays, the oldest of the others goes
    history = sub(row, 9, HISTORY_AT + ENTRY) .. sub(row, HISTORY_AT + 2 * ENTRY + 1, history_end)
    count = count - 1
  end
  local counters = char(min(255, made + attempts), min(255, resent + resends), parts or had, count + 1)
  return sub(row, 1, 1) .. letter .. sub(row, 3, 4) .. counters .. history .. mark .. sub(row, history_end + 1)
end
-- One more extra at the end of the row's JSON: a letter (cmqueue/row.py) and its JSON. Of two, a reader takes the last.
local function row_extras(row) return sub(row, HISTORY_AT + ENTRY * byte(row, 8) + 1) end
local function row_with(row, letter, json)
  if row_extras(row) == '' then return row .. '{"' .. letter .. '":' .. json .. '}' end
  return sub(row, 1, -2) .. ',"' .. letter .. '":' .. json .. '}'
end

-- Every move of a row is booked twice: in its bucket and in the partition.
local booked, dirty = {}, false
local function book(bucket, from, to, times)
  local page = booked[bucket]
  if not page then
    page = {}
    booked[bucket] = page
  end
  times = times or 1
  if from then page[from] = (page[from] or 0) - times end
  if to then page[to] = (page[to] or 0) + times end
  dirty = true
end
local function close_books()
  if not dirty then return end
  local totals = {}
  for bucket, page in pairs(booked) do
    local tally = key('tally:', bucket)
    for letter, change in pairs(page) do
      if change ~= 0 then
        call('HINCRBY', tally, letter, change)
        totals[letter] = (totals[letter] or 0) + change
        if finished(letter) and change > 0 then call('HSET', tally, 'last', now_s) end
      end
    end
  end
  local counts = key('counts')
  for letter, change in pairs(totals) do
    if change ~= 0 then call('HINCRBY', counts, letter, change) end
  end
  call('HINCRBY', counts, 'seq', 1)
end

-- Shared content goes with the last job that needs it: released wherever a job's bytes are dropped.
local released = {}
local function release_content(job)
  if byte(job, 3) % 4 >= SHARED then -- `job_flag` without its calls: asked of every message that ends
    local digest = job_digest(job)
    released[digest] = (released[digest] or 0) + 1
  end
end
local function close_contents()
  for digest, count in pairs(released) do
    if call('HINCRBY', key('content_refs'), digest, -count) <= 0 then
      call('HDEL', key('content_refs'), digest)
      call('HDEL', key('contents'), digest)
    end
  end
end

-- Rows are read and written by the bucket. Of jobs or ids, each with its bucket at the offset `at` and its tail after
-- that: bucket -> tails, and the place of each among `items`.
local function paged(items, at)
  local pages, page, before, count = {}, nil, nil, 0
  for i = 1, #items do
    local item = items[i]
    local bucket = sub(item, at, at + 3)
    if bucket ~= before then -- most of a batch lie in one bucket
      page = pages[bucket] or {tails = {}, places = {}}
      pages[bucket], before, count = page, bucket, #page.tails
    end
    count = count + 1
    page.tails[count], page.places[count] = sub(item, at + 4, at + 23), i
  end
  return pages
end
local function load_rows(ids)
  local rows = {}
  for bucket, page in pairs(paged(ids, 1)) do
    local found = call('HMGET', key('rows:', bucket), unpack(page.tails))
    for n = 1, #found do rows[page.places[n]] = found[n] end
  end
  return rows
end
local MOST_ARGUMENTS = 2000 -- Lua's stack takes some 8000, and an error here would undo nothing; an even number
local function write_rows(bucket, page, count)
  for at = 1, count, MOST_ARGUMENTS do
    call('HSET', key('rows:', bucket), unpack(page, at, min(at + MOST_ARGUMENTS - 1, count)))
  end
end
local pending = {}
local function save_row(bucket, tail, row)
  local page = pending[bucket]
  if not page then
    page = {count = 0}
    pending[bucket] = page
  end
  local count = page.count
  page[count + 1], page[count + 2], page.count = tail, row, count + 2
end
-- A row as it is now: as a script has changed it, else as Redis has it.
local function current_row(id)
  local bucket, tail = sub(id, 1, 4), sub(id, 5, 24)
  local page = pending[bucket]
  for n = page and page.count - 1 or 0, 1, -2 do
    if page[n] == tail then return page[n + 1] end
  end
  return call('HGET', key('rows:', bucket), tail)
end
local function close_rows()
  for bucket, page in pairs(pending) do write_rows(bucket, page, page.count) end
end

-- What the app is told of: each move into an end, or into doubt. Where nobody has subscribed nothing is written.
-- A message goes by its name; where only its id is known, the end of its reference is left blank.
local MOST_NEWS = 1000 -- in one entry of the stream
local news, subscribed = {}, nil
local function is_news(letter)
  if subscribed == nil then subscribed = call('EXISTS', key('events')) == 1 end
  return subscribed and (finished(letter) or letter == 'm')
end
local function announce(name, before, mark)
  if #name < 34 then name = sub(name, 1, 24) .. '          ' end
  news[#news + 1] = name .. before .. mark
end
local function close_news()
  for at = 1, #news, MOST_NEWS do
    call('XADD', key('events'), '*', 'm', table.concat(news, '', at, min(at + MOST_NEWS - 1, #news)))
  end
end

-- Move one message, whose row is `row`, to the state `letter`; returns the new row. `name` is its name or its id.
local function move(name, row, letter, reason, code, attempts, resends, parts)
  local bucket, before, mark = sub(name, 1, 4), row_state(row), entry(letter, reason, code)
  local moved = row_append(row, letter, mark, attempts or 0, resends or 0, parts)
  book(bucket, before, letter)
  save_row(bucket, sub(name, 5, 24), moved)
  if is_news(letter) then announce(name, before, mark) end
  return moved
end

-- Keep a job outside the lists, in one of the zsets due, doubt or kept.
local function park(zset, id, job, at_ms)
  call('ZADD', key(zset), at_ms, id)
  call('HSET', key('jobs'), id, job)
end
local function unpark(zset, id)
  call('ZREM', key(zset), id)
  call('HDEL', key('jobs'), id)
end

-- Nothing is to be sent of a message any more: its job leaves where it is parked. One that `waits` in a list or a batch
-- stays there, and a tombstone keeps it from going out.
local function take_back(id, waits)
  local job = call('HGET', key('jobs'), id)
  if job then
    call('ZREM', key('due'), id)
    call('ZREM', key('doubt'), id)
    unpark('kept', id)
    release_content(job)
  elseif waits then
    call('SADD', key('withdrawn'), id)
  end
end

-- Keep the job of a message that CM took, until its final status report: it may be sent anew.
local function keep_sent(id, job)
  call('ZADD', key('sent_until'), u32(job, 6) * 1000, id)
  call('HSET', key('sent'), id, job)
end
local function drop_sent(id)
  local job = call('HGET', key('sent'), id)
  if not job then return end
  call('ZREM', key('sent_until'), id)
  call('HDEL', key('sent'), id)
  release_content(job)
end

-- Whether an earlier attempt may have arrived: it waited to be resent, or it was redriven after doubt.
local function doubted(job)
  return byte(job, 5) > 0 or job_flag(job, DOUBTED)
end

-- End a message that is past its time; its job is out of every structure. One that may have arrived did not expire: it
-- is in doubt again, which the next sweep ends. True where it expired.
local function expire(id, row, job)
  if doubted(job) then
    move(job_name(job), row, 'm', 53, 0)
    park('doubt', id, job, now_ms)
    return false
  end
  move(job_name(job), row, 'E', 53, 0)
  release_content(job)
  return true
end

local function close()
  close_rows()
  close_contents()
  close_books()
  close_news()
  booked, dirty, pending, released, news = {}, false, {}, {}, {}
end

-- All batches that were claimed and not settled: leased or orphaned. They are few.
local function open_batches()
  local open = call('ZRANGE', key('leases'), 0, -1)
  for _, lane in ipairs({'u', 'n', 'b'}) do
    for _, orphan in ipairs(call('LRANGE', key('orphans:', lane), 0, -1)) do open[#open + 1] = orphan end
  end
  return open
end

-- The phase of the batch that holds a message; nil when none does. Read once, for any number of messages.
local phases
local function phase_of(id)
  if not phases then
    phases = {}
    for _, batch in ipairs(open_batches()) do
      local phase = call('HGET', key('meta:', batch), 'phase')
      for _, job in ipairs(call('LRANGE', key('batch:', batch), 0, -1)) do phases[job_id(job)] = phase end
    end
  end
  return phases[id]
end

-- A batch was answered: brake and account stop are over. Where the partition was slowed (scripts/slow.lua) only the
-- probe's answer says so.
local function open_gate(probe)
  if probe == '1' or call('HEXISTS', key('gate'), 'slowed') == 0 then call('DEL', key('gate')) end
end

-- Push jobs to the front of a list so that they keep their order.
local function push_front(list, jobs)
  local reversed = {}
  for i = #jobs, 1, -1 do reversed[#reversed + 1] = jobs[i] end
  if #reversed > 0 then call('LPUSH', list, unpack(reversed)) end
end

-- After a rollback what is sent at most once may have been sent: it waits for an operator. Returns the other jobs.
local function set_aside(lane, jobs)
  local free, aside = {}, {}
  for i = 1, #jobs do
    local pile = job_flag(jobs[i], AT_LEAST_ONCE) and free or aside
    pile[#pile + 1] = jobs[i]
  end
  if #aside > 0 then
    call('RPUSH', key('aside:', lane), unpack(aside))
    dirty = true
  end
  return free
end

-- Drop what a list or batch must not keep: withdrawn tombstones go silently, expired messages end.
-- Returns the jobs that stay; the ids that expired are collected in `expired_now`, for the log.
local expired_now = {}
local function sift(jobs)
  local kept = {}
  local tombs = call('SCARD', key('withdrawn')) > 0
  local buried
  if tombs and #jobs > 0 then
    local ids = {}
    for i = 1, #jobs do ids[i] = job_id(jobs[i]) end
    buried = call('SMISMEMBER', key('withdrawn'), unpack(ids))
  end
  local gone, expired, expired_ids = {}, {}, {}
  local count, expires, is_late = 0, nil, nil
  for i = 1, #jobs do
    local job = jobs[i]
    local its_expires = sub(job, 6, 9)
    if its_expires ~= expires then -- most of a batch expire together
      expires, is_late = its_expires, u32(its_expires, 1) <= now_s
    end
    if buried and buried[i] == 1 then
      gone[#gone + 1] = job_id(job)
      release_content(job)
    elseif is_late then
      expired[#expired + 1] = job
      expired_ids[#expired_ids + 1] = job_id(job)
    else
      count = count + 1
      kept[count] = job
    end
  end
  if #gone > 0 then call('SREM', key('withdrawn'), unpack(gone)) end
  if #expired > 0 then
    local rows = load_rows(expired_ids)
    for i = 1, #expired do
      if not rows[i] or finished(row_state(rows[i])) then
        release_content(expired[i])
      elseif expire(expired_ids[i], rows[i], expired[i]) then
        expired_now[#expired_now + 1] = expired_ids[i]
      end
    end
  end
  return kept
end
