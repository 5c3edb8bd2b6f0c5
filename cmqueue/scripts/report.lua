-- What status reports tell of messages, in whatever state they are: see cmqueue/report.py for the law.
-- ARGV: per report: the ids that its message may have, one after the other, and the random end of its reference; a
--       record of 10 bytes (cmqueue/settlement.py), whose letter is A, F, D or R
-- Returns per report: id, the letter before (c or p where a batch holds it), the letter after; "" where there is none
begin_though_full()
local RANK = {A = 1, F = 2, D = 3, R = 4}
local reply = {}
for i = 1, #ARGV, 2 do
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
    if RANK[letter] > (RANK[before] or 0) then
      local reason, code = struct.unpack('>I1I2', sub(ARGV[i + 1], 2, 4))
      take_back(id, not finished(before))
      move(id .. sub(ARGV[i], -10), row, letter, reason, code)
      after = letter
    end
    told = id .. shown .. after
  end
  reply[#reply + 1] = told
end
close()
return reply
