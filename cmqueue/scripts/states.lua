-- Where many messages stand.
-- ARGV: ids
-- Returns one letter per id: its row's, c or p where a batch holds it (claimed, posting), - where there is none
local rows, letters = load_rows(ARGV), {}
for i = 1, #ARGV do
  local row = rows[i]
  local letter = row and row_state(row) or '-'
  if letter == 'q' then letter = sub(phase_of(ARGV[i]) or 'q', 1, 1) end
  letters[i] = letter
end
return table.concat(letters)
