-- Send dead or unknown messages again, as if they were new: attempts and resends begin at zero. Of one that may have
-- arrived this is remembered, in job and row: it can neither be cancelled nor expire any more.
-- ARGV: 1 seconds until they expire  2 state letter, X or U  3... ids
-- Returns the ids that were queued again.
local done, ids = {}, {}
for i = 3, #ARGV do ids[#ids + 1] = ARGV[i] end
if #ids == 0 then return done end
local rows = load_rows(ids)
for i = 1, #ids do
  local id, row = ids[i], rows[i]
  local job = call('HGET', key('jobs'), id)
  if row and job and row_state(row) == ARGV[2] then
    local expires = struct.pack('>I4', now_s + tonumber(ARGV[1]))
    unpark('kept', id)
    if (ARGV[2] == 'U' or byte(row, 6) > 0) and not row_flag(row, DOUBTED) then
      job = sub(job, 1, 2) .. char(byte(job, 3) + DOUBTED) .. sub(job, 4)
      row = sub(row, 1, 3) .. char(byte(row, 4) + DOUBTED) .. sub(row, 5)
    end
    call('RPUSH', key('ready:', job_lane(job)), sub(job, 1, 3) .. '\0\0' .. expires .. sub(job, 10))
    move(id, sub(row, 1, 4) .. '\0\0' .. sub(row, 7, 8) .. expires .. sub(row, 13), 'q', 56, 0)
    done[#done + 1] = id
  end
end
close()
return done
