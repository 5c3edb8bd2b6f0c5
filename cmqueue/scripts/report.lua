-- What status reports tell of messages, in whatever state they are: see cmqueue/report.py for the law.
-- ARGV: 1 letters of the lanes whose failures are sent anew; then per report: the ids that its message may have, one after the other, and the random end of its reference; a
--       record of 10 bytes (cmqueue/settlement.py), whose letter is A, F, D or R, and which counts where a failure may pass
-- Returns per report: id, the letter before (c or p where a batch holds it), the letter after, "+" where it has failed
--         and can be sent anew (cmqueue/resend.py), else "-"; "" where there is none
begin_though_full()
local RANK = {A = 1, F = 2, D = 3, R = 4}
local reply = {}
for i = 2, #ARGV, 2 do
  local id, row
  for at = 1, #ARGV[i] - 10, 24 do
    id = sub(ARGV[i], at, at + 23)
    row = current_row(id)
    if row then break end
  end
  local told = ''
  if row then
    local letter, before = sub(ARGV[i + 1], 1, 1), row_state(row)
    local shown = before == 'q' and sub(phase_of(id) or 'q', 1, 1) or before
    local after = before
    local passing = letter == 'F' and byte(ARGV[i + 1], 6) == 1
    if RANK[letter] > (RANK[before] or 0) then
      local reason, code = struct.unpack('>I1I2', sub(ARGV[i + 1], 2, 4))
      local doubt = before == 'm' and 'doubt' or before == 'U' and 'kept'
      local job = passing and doubt and string.find(ARGV[1], sub(row, 3, 3), 1, true) and call('HGET', key('jobs'), id)
      if job then
        unpark(doubt, id)
        keep_sent(id, job)
      else
        take_back(id, not finished(before))
      end
      move(id .. sub(ARGV[i], -10), row, letter, reason, code)
      after = letter
    end
    if letter ~= 'A' and not (passing and after == 'F') then drop_sent(id) end
    local anew = after == 'F' and call('HEXISTS', key('sent'), id) == 1
    told = id .. shown .. after .. (anew and '+' or '-')
  end
  reply[#reply + 1] = told
end
close()
return reply
