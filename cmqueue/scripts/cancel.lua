-- Take messages back that were certainly not sent.
-- ARGV: ids
-- Returns one letter per id: c cancelled, t too late, n not found
begin_though_full()
local answer, rows, said = {}, load_rows(ARGV), {}
for i = 1, #ARGV do
  local id, row = ARGV[i], rows[i]
  local state = row and row_state(row)
  local verdict = 't'
  if said[id] then -- the same id twice is one message
    verdict = said[id]
  elseif not row then
    verdict = 'n'
  elseif state == 'C' then
    verdict = 'c'
  elseif byte(row, 6) > 0 or row_flag(row, DOUBTED) then -- an earlier attempt may have arrived
    verdict = 't'
  elseif state == 's' or state == 'h' then
    local job = call('HGET', key('jobs'), id)
    if job then release_content(job) end
    unpark('due', id)
    move(job and job_name(job) or id, row, 'C', 54, 0)
    verdict = 'c'
  elseif state == 'q' then
    if phase_of(id) ~= 'posting' then
      call('SADD', key('withdrawn'), id) -- its job is passed over when its turn comes
      move(id, row, 'C', 54, 0)
      verdict = 'c'
    end
  end
  answer[i], said[id] = verdict, verdict
end
close()
return table.concat(answer)
