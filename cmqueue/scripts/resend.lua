-- Send a message that CM took and reported as failed anew: a new message, linked to the old one.
-- ARGV: 1 id of the old one  2 name of the new one (id and random end of its reference)  3, 4 the same two ids with their
--       partition  5 milliseconds until it goes  6 most times that one message is sent anew
-- Returns "new" | "over": not any more, and nothing is kept of it | "gone": nothing was kept, or it has arrived since
-- It is over, too, where one of those in whose place it was sent has arrived after all.
-- A repeated call finds the new one.
local old, name, wait = ARGV[1], ARGV[2], tonumber(ARGV[5])
local id = sub(name, 1, 24)
if current_row(id) then return 'new' end
local row, job = current_row(old), call('HGET', key('sent'), old)
if not row or not job or row_state(row) ~= 'F' then return 'gone' end
-- The message in whose place the one of this row was sent, and how often that was done.
local function origin(of)
  local known, told = pcall(cjson.decode, row_extras(of))
  if known and type(told) == 'table' and type(told.o) == 'table' then return sub(told.o[1], 3), tonumber(told.o[2]) end
  return nil, 0
end
local function arrived(of)
  for _ = 1, 255 do -- they go back in time, so it ends by itself
    local before = origin(of)
    of = before and current_row(before)
    if not of then return false end
    if row_state(of) == 'D' or row_state(of) == 'R' then return true end
  end
end
local extras = row_extras(row)
local _, times = origin(row)
if times >= tonumber(ARGV[6]) or arrived(row) or u32(job, 6) * 1000 <= now_ms + wait then
  begin_though_full()
  drop_sent(old)
  close()
  return 'over'
end
local letter = wait > 0 and 's' or 'q'
local flags = byte(job, 3) - (job_flag(job, DOUBTED) and DOUBTED or 0)
local due = struct.pack('>I4', now_s + math.ceil(wait / 1000))
local anew = sub(job, 1, 2) .. char(flags) .. '\0\0' .. sub(job, 6, 9) .. due .. name .. sub(job, 48)
local fresh = '1' .. letter .. job_lane(job) .. char(flags) .. '\0\0\0\1' .. sub(job, 6, 9) .. entry(letter, 63, 0)
if letter == 's' then park('due', id, anew, now_ms + wait)
else call('RPUSH', key('ready:', job_lane(job)), anew) end
call('ZREM', key('sent_until'), old)
call('HDEL', key('sent'), old)
save_row(sub(id, 1, 4), sub(id, 5), row_with(fresh .. extras, 'o', '["' .. ARGV[3] .. '",' .. times + 1 .. ']'))
save_row(sub(old, 1, 4), sub(old, 5), row_with(row, 's', '"' .. ARGV[4] .. '"'))
book(sub(id, 1, 4), nil, letter)
call('ZADD', key('buckets'), 'NX', now_s, sub(id, 1, 4))
call('HINCRBY', key('counts'), 'enqueued', 1)
close()
return 'new'
