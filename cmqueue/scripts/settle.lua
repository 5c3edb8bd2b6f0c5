-- Write down what became of a posted batch, all its messages in one step.
-- ARGV: 1 batch id  2 one record of 10 bytes per job, in the batch's order (cmqueue/settlement.py)
--         none with "unposted": all that the batch holds goes back, also where its holder's knowledge is old
--       3 what the endpoint did: "answered", "silent", "stopped" or "unposted"  4 why ("" or a word for `explain`)
--       5 brake: requests without a row before it closes  6 brake: first and 7 last wait, ms
--       8 account probe: first and 9 last wait, ms  10 how long dead messages are kept, ms
--       11 "1": the whole lane stops too (too many of its messages have their requests refused)
--       12 "found": the first message of its batch that no request may hold; "clean": a batch without any; or ""
--       13 a note on those messages, a JSON string, or ""  14 process  15 the sequence that it knows
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
local ids = {}
for i = 1, #jobs do ids[i] = job_id(jobs[i]) end
local rows, pages = load_rows(ids)
begin_though_full()
local given_back, missing, tombs = {}, 0, {}
local marks, changed = {}, {}
-- Most messages of a batch move alike: they are booked by the run.
local bucket, from, to, times
local function book_run()
  if times then book(bucket, char(from), to, times) end
  times = nil
end
local POISONED = 'X' .. char(51)
local has_tombs = call('SCARD', key('withdrawn')) > 0
for i = 1, #jobs do
  local job, row = jobs[i], rows[i]
  local at = (i - 1) * 10
  local head = sub(records, at + 1, at + 4) -- letter, reason, code: the beginning of a history entry
  local letter = sub(head, 1, 1)
  local parts, counts = byte(records, at + 5, at + 6)
  if not row then
    missing = missing + 1
    if has_tombs then tombs[#tombs + 1] = ids[i] end
    release_content(job)
  elseif byte(row, 2) < 97 then -- finished: a receipt or a cancellation came first
    if has_tombs then tombs[#tombs + 1] = ids[i] end
    release_content(job)
  elseif letter == 'q' then
    given_back[#given_back + 1] = job
  else
    local mark = marks[head]
    if not mark then
      mark = head .. struct.pack('>I4', now_s)
      marks[head] = mark
    end
    local its_bucket, state = sub(ids[i], 1, 4), byte(row, 2)
    if times and bucket == its_bucket and from == state and to == letter then
      times = times + 1
    else
      book_run()
      bucket, from, to, times = its_bucket, state, letter, 1
    end
    local moved = row_append(row, letter, mark, counts, 0, parts > 0 and parts or nil)
    if ARGV[13] ~= '' and sub(head, 1, 2) == POISONED then moved = row_noted(moved, ARGV[13]) end
    changed[i] = moved
    if letter == 's' or letter == 'm' or letter == 'X' then
      local zset = letter == 's' and 'due' or letter == 'm' and 'doubt' or 'kept'
      local delay = letter == 'X' and tonumber(ARGV[10]) or u32(records, at + 7)
      park(zset, ids[i], job_counted(job, counts, 0), now_ms + delay)
    else
      release_content(job)
    end
  end
end
book_run()
write_changed(pages, changed)
push_front(key('ready:', lane), given_back)
if #tombs > 0 then call('SREM', key('withdrawn'), unpack(tombs)) end
call('DEL', batch, meta)
call('ZREM', key('leases'), id)

-- The brake and the account stop: one gate per partition, opened by the first answer.
local gate = key('gate')
local function close_gate(why, first, last)
  local step = tonumber(call('HGET', gate, 'step'))
  step = step and math.min(step * 2, last) or first
  call('HSET', gate, 'closed', why, 'step', step, 'until', now_ms + step)
end
if ARGV[3] == 'answered' then
  if call('EXISTS', gate) == 1 then call('DEL', gate) end
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
