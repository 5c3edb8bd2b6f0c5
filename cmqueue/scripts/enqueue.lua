-- Take a chunk of messages: idempotency, rows, push and wake-up token, all or nothing.
-- ARGV: 1 wake token's life in ms ("" takes none)  2 call id ("" for none)  3 idempotency retention, seconds
--       4 digest of shared content or ""  5 that content
--       6 fields per message: "x" extras, then a "k" for each secret key, newest first; then an "a" where those of
--         shared content are single messages all the same, no broadcast, in which a number can come but once
--       then per message: job (expires_at holds seconds after it is due, due_at an absolute time or 0)
--       [extras: JSON or ""]  [idempotency hmac or "", payload digest], a pair for each secret key
-- Returns {1 when the wake-up token was taken, one letter a message: n new, d duplicate, c conflict,
--          then for every d and c that a key caused: id and random end of the message it belongs to}
-- All messages of a chunk share one time bucket and one lane. Repeating a call changes nothing.
local first, ARGV = 7, ARGV
local call_id = ARGV[2]
if call_id ~= '' then
  local before = call('GET', key('call:', call_id))
  if before then return {0, before} end
end
local digest, fields = ARGV[4], ARGV[6]
local with_extras, secrets = sub(fields, 1, 1) == 'x', select(2, string.gsub(fields, 'k', ''))
local stride = 1 + (with_extras and 1 or 0) + 2 * secrets
local total = (#ARGV - first + 1) / stride

local bucket, lane = job_bucket(ARGV[first]), job_lane(ARGV[first])
local tails = {}
for i = 1, total do tails[i] = sub(ARGV[first + (i - 1) * stride], 18, 37) end
local existing = call('HMGET', key('rows:', bucket), unpack(tails))

local answer, owners, seen = {}, {}, {}
local list, rows, due, parked = {}, {}, {}, {}
local queued_mark, scheduled_mark = entry('q', 0, 0), entry('s', 1, 0)
local queued, scheduled = 0, 0
local alike, count = {}, 0 -- head and row of those before: most messages of a chunk share theirs
local shared = digest ~= ''
local members = shared and sub(fields, -1) ~= 'a'
for i = 1, total do
  local at = first + (i - 1) * stride
  local job, tail = ARGV[at], tails[i]
  local pair = at + stride - 2 * secrets
  local verdict = 'n'
  local terms = sub(job, 1, 13) -- all before the id: flags, counters, both times
  local known_terms = alike[terms]
  if not known_terms then
    local due_at = u32(job, 10)
    local later = due_at > now_s
    if not later then due_at = now_s end
    local times = struct.pack('>I4I4', math.min(due_at + u32(job, 6), 4294967295), due_at)
    local letter = later and 's' or 'q'
    known_terms = {
      due_at = due_at, later = later, head = sub(job, 1, 5) .. times,
      row = '1' .. letter .. lane .. sub(job, 3, 3) .. '\0\0\0\1' .. sub(times, 1, 4)
        .. (later and scheduled_mark or queued_mark),
    }
    alike[terms] = known_terms
  end
  if secrets > 0 and ARGV[pair] ~= '' then
    local known, same
    for n = pair, pair + 2 * secrets - 2, 2 do -- it may have been used before the secret key was rotated
      known = call('GET', key('idem:', ARGV[n]))
      if known then
        same = sub(known, 35) == ARGV[n + 1]
        break
      end
    end
    if known and sub(known, 1, 24) ~= bucket .. tail then
      verdict = same and 'd' or 'c'
      owners[#owners + 1] = sub(known, 1, 34)
    elseif not known then
      local life = known_terms.due_at - now_s + u32(job, 6) + tonumber(ARGV[3])
      local owner = bucket .. tail .. job_random(job)
      call('SET', key('idem:', ARGV[pair]), owner .. ARGV[pair + 1], 'EX', life)
    end
  end
  if members then
    if existing[i] or seen[tail] then verdict = 'd' end -- the same number again: the caller knows that id
    seen[tail] = true
  end
  if verdict == 'n' and not existing[i] then
    job = known_terms.head .. sub(job, 14)
    local row = with_extras and known_terms.row .. ARGV[at + 1] or known_terms.row
    rows[count + 1], rows[count + 2], count = tail, row, count + 2
    if known_terms.later then
      scheduled = scheduled + 1
      due[#due + 1] = known_terms.due_at * 1000
      due[#due + 1] = bucket .. tail
      parked[#parked + 1] = bucket .. tail
      parked[#parked + 1] = job
    else
      queued = queued + 1
      list[queued] = job
    end
  end
  answer[i] = verdict
end

if count > 0 then
  if shared then
    call('HSETNX', key('contents'), digest, ARGV[5])
    call('HINCRBY', key('content_refs'), digest, queued + scheduled)
  end
  call('HSET', key('rows:', bucket), unpack(rows))
  call('ZADD', key('buckets'), 'NX', now_s, bucket)
  if queued > 0 then call('RPUSH', key('lane:', lane), unpack(list)) end
  if scheduled > 0 then
    call('ZADD', key('due'), unpack(due))
    call('HSET', key('jobs'), unpack(parked))
  end
  booked[bucket] = {q = queued, s = scheduled}
  dirty = true
  call('HINCRBY', key('counts'), 'enqueued', queued + scheduled)
  close_books()
end
local verdicts = table.concat(answer)
if call_id ~= '' then call('SET', key('call:', call_id), verdicts, 'EX', 120) end
local woke = 0
if queued > 0 and ARGV[1] ~= '' and call('SET', key('wake:', lane), '1', 'NX', 'PX', ARGV[1]) then woke = 1 end
return {woke, verdicts, unpack(owners)}
