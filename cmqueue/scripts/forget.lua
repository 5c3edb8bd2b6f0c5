-- Forget what is kept of messages to one number: their jobs, which hold it and the content. The rows, which do not, stay.
-- ARGV: jobs, as they lie somewhere
-- Returns one letter per job: c cancelled (certainly unsent), u unknown from now on (it may have been sent), d dropped (it
--         had ended), b in a worker's hand right now, - not there any more
begin_though_full()
local said = {}
local function gone(id, job)
  for _, list in ipairs({'lane:', 'ready:', 'aside:'}) do
    if call('LREM', key(list, job_lane(job)), 1, job) > 0 then
      call('SREM', key('withdrawn'), id)
      return true
    end
  end
end
for i = 1, #ARGV do
  local job = ARGV[i]
  local id = job_id(job)
  local row, letter = current_row(id), '-'
  local waits = row and not finished(row_state(row))
  if phase_of(id) then -- also where its row has ended: the worker drops it, or gives it back
    letter = 'b'
  elseif call('HEXISTS', key('jobs'), id) == 1 then
    for _, zset in ipairs({'due', 'doubt', 'kept'}) do call('ZREM', key(zset), id) end
    call('HDEL', key('jobs'), id)
    release_content(job)
    letter = 'd'
  elseif call('HEXISTS', key('sent'), id) == 1 then
    drop_sent(id)
    letter = 'd'
  elseif gone(id, job) then
    release_content(job)
    letter = 'd'
  end
  if letter == 'd' and waits then
    letter = (row_state(row) == 'm' or doubted(job)) and 'u' or 'c'
    move(job_name(job), row, letter == 'u' and 'U' or 'C', 57, 0)
  end
  said[i] = letter
end
close()
return table.concat(said)
