-- What is known for sure about messages, learnt outside a lease: a late answer. Knowledge is never fenced off:
-- it ends doubt, corrects `unknown` and revokes a resend that has not begun.
-- ARGV: per message: name (id and random end of the reference), record of 10 bytes (cmqueue/settlement.py), of which only A and J prove anything
-- Returns the ids whose rows changed.
begin_though_full()
local changed, ids = {}, {}
for i = 1, #ARGV, 2 do ids[#ids + 1] = sub(ARGV[i], 1, 24) end
local rows, seen = load_rows(ids), {} -- the same id twice moves once
for i = 1, #ids do
  local row, record = rows[i], ARGV[2 * i]
  local letter = sub(record, 1, 1)
  local state = row and row_state(row)
  if row and not seen[ids[i]] and (letter == 'A' or letter == 'J') and (state == 'U' or not finished(state)) then
    local reason, code = struct.unpack('>I1I2', sub(record, 2, 4))
    local parts = byte(record, 5)
    take_back(ids[i], state ~= 'U')
    move(ARGV[2 * i - 1], row, letter, 43, code, 0, 0, parts > 0 and parts or nil)
    changed[#changed + 1] = ids[i]
    seen[ids[i]] = true
  end
end
close()
return changed
