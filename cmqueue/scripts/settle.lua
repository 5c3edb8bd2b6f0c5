-- Write down what became of a posted batch, all its messages in one step.
-- ARGV: 1 batch id  2 one record of 10 bytes per job, in the batch's order (cmqueue/settlement.py)
--         none with "unposted": all that the batch holds goes back, also where its holder's knowledge is old
--       3 what the endpoint did: "answered", "silent", "stopped" or "unposted"  4 why ("" or a word for `explain`)
--       5 brake: requests without a row before it closes  6 brake: first and 7 last wait, ms
--       8 account probe: first and 9 last wait, ms  10 how long dead messages are kept, ms
--       11 "1": the whole lane stops too (too many of its messages have their requests refused)
--       12 "found": the first message of its batch that no request may hold; "clean": a batch without any; or ""
--       13 a note on those messages, a JSON string, or ""  14 "1": what is accepted may be sent anew if it fails
--       15 process  16 the sequence that it knows
-- Returns {"settled", rows that were missing} | {"gone"} when the batch was settled or reclaimed before.
compare_sequence()
local id = ARGV[1]
local batch, meta = key('batch:', id), key('meta:', id)
local about = call('HMGET', meta, 'lane', 'probe')
local lane = about[1]
if not lane then return with_sequence({'gone'}) end
local records = ARGV[2]
local jobs = call('LRANGE', batch, 0, -1)
if ARGV[3] == 'unposted' and records == '' then
  records = string.rep('q' .. string.rep('\0', 9), #jobs)
elseif #records ~= #jobs * 10 then
  -- Redis went back to before a mark that took members out: what was learnt is proved by id, not by place.
  return with_sequence({'gone'})
end
begin_though_full()
local missing, tombs, given, given_back = 0, {}, {}, {}
local has_tombs = call('SCARD', key('withdrawn')) > 0

-- Most messages of a batch have the same record, and rows that differ in their extras alone. So each distinct record is
-- read once, and for it each distinct row, without its extras, is rewritten once.
local ZSET = {s = 'due', m = 'doubt', X = 'kept'}
local fates = {}
local function fate_of(record)
  local letter, parts, counts = sub(record, 1, 1), byte(record, 5, 6)
  local fate = {
    to = letter, parts = parts > 0 and parts or nil, counts = counts,
    mark = sub(record, 1, 4) .. struct.pack('>I4', now_s), -- letter, reason, code and time: an entry of the history
    keep = letter == 'A' and ARGV[14] == '1',
    note = ARGV[13] ~= '' and letter == 'X' and byte(record, 2) == 51, -- poison
    zset = ZSET[letter], delay = letter == 'X' and tonumber(ARGV[10]) or u32(record, 7),
    steps = {}, -- row -> its state, whether that is final, and the row that follows
  }
  fate.is_news = is_news(letter)
  fates[record] = fate
  return fate
end
local function step_of(row, fate)
  local ends = HISTORY_AT + ENTRY * byte(row, 8)
  local head = sub(row, 1, ends)
  local step = fate.steps[head]
  if not step then
    local from = row_state(head)
    step = {
      from = from, finished = finished(from),
      row = row_append(head, fate.to, fate.mark, fate.counts, 0, fate.parts),
    }
    fate.steps[head] = step
  end
  return step, sub(row, ends + 1)
end

for bucket, page in pairs(paged(jobs, 14)) do
  local tails, places = page.tails, page.places
  local rows = call('HMGET', key('rows:', bucket), unpack(tails))
  local changed, count = {}, 0
  local run, to, times -- of messages that move alike, which are booked together
  for n = 1, #tails do
    local i, row = places[n], rows[n]
    local job, record = jobs[i], sub(records, i * 10 - 9, i * 10)
    local fate = fates[record] or fate_of(record)
    local step, extras = fate.steps[row], ''
    if row and not step then step, extras = step_of(row, fate) end
    if not step or step.finished then -- finished: a receipt or a cancellation came first
      if not step then missing = missing + 1 end
      if has_tombs then tombs[#tombs + 1] = job_id(job) end
      release_content(job)
    elseif fate.to == 'q' then
      given[i] = job
    else
      if run == step then
        times = times + 1
      else
        if run then book(bucket, run.from, to, times) end
        run, to, times = step, fate.to, 1
      end
      local moved = extras == '' and step.row or step.row .. extras
      if fate.note then moved = row_with(moved, 'n', ARGV[13]) end
      changed[count + 1], changed[count + 2], count = tails[n], moved, count + 2
      if fate.is_news then announce(job_name(job), step.from, fate.mark) end
      if fate.zset then
        park(fate.zset, job_id(job), job_counted(job, fate.counts, 0), now_ms + fate.delay)
      elseif fate.keep then
        keep_sent(job_id(job), job)
      else
        release_content(job)
      end
    end
  end
  if run then book(bucket, run.from, to, times) end
  write_rows(bucket, changed, count)
end
for i = 1, #jobs do given_back[#given_back + 1] = given[i] end
push_front(key('ready:', lane), given_back)
if #tombs > 0 then call('SREM', key('withdrawn'), unpack(tombs)) end
call('DEL', batch, meta)
call('ZREM', key('leases'), id)

-- The brake and the account stop: one gate per partition, opened by the first answer (`open_gate`).
local gate = key('gate')
local function close_gate(why, first, last)
  local step = tonumber(call('HGET', gate, 'step'))
  step = step and math.min(step * 2, last) or first
  call('HSET', gate, 'closed', why, 'step', step, 'until', now_ms + step)
end
if ARGV[3] == 'answered' then
  open_gate(about[2])
elseif ARGV[3] == 'stopped' then
  local closed = call('HGET', gate, 'closed')
  if about[2] == '1' or not closed or sub(closed, 1, 5) == 'brake' then
    if closed and sub(closed, 1, 5) == 'brake' then call('HDEL', gate, 'step') end
    close_gate('stopped:' .. ARGV[4], tonumber(ARGV[8]), tonumber(ARGV[9]))
  end
elseif ARGV[3] == 'silent' then
  local closed = call('HGET', gate, 'closed')
  local fails = call('HINCRBY', gate, 'fails', 1)
  if closed then
    -- Only the probe's own failure moves the next probe; stragglers that were in flight do not.
    if about[2] == '1' then
      local stop = sub(closed, 1, 5) ~= 'brake'
      close_gate(closed, tonumber(ARGV[stop and 8 or 6]), tonumber(ARGV[stop and 9 or 7]))
    end
  elseif fails >= tonumber(ARGV[5]) then
    close_gate('brake:' .. ARGV[4], tonumber(ARGV[6]), tonumber(ARGV[7]))
  end
elseif about[2] == '1' then -- a probe that never went out: the next may go at once
  call('HSET', gate, 'until', now_ms)
end
-- A lane that is resumed begins to count again.
if ARGV[12] == 'found' then call('HINCRBY', key('poison'), lane, 1) end
if ARGV[12] == 'clean' or ARGV[11] == '1' then call('HDEL', key('poison'), lane) end
if ARGV[11] == '1' then call('HSET', key('pauses'), lane, 'stopped:' .. ARGV[4]) end
dirty = true
close()
return with_sequence({'settled', missing})
