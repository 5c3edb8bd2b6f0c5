-- Put numbers on the partition's suppression list, or take them off it.
-- ARGV: 1 "add" | "remove"  2... per entry: hash of the number (16 bytes); sender (8 bytes, zeros for any) and why
--       (a letter; with remove also "*": whatever it is)
-- Returns how many entries changed.
-- A field holds all of a number's entries, 13 bytes each: sender, why, seconds since 1970.
local ENTRY_BYTES = 13
local changed = 0
begin_though_full() -- an opt-out counts in a full Redis too
for i = 2, #ARGV, 2 do
  local number, sender, why = ARGV[i], sub(ARGV[i + 1], 1, 8), sub(ARGV[i + 1], 9, 9)
  local entries, kept, found = call('HGET', key('suppressed'), number) or '', {}, false
  for at = 1, #entries, ENTRY_BYTES do
    local one = sub(entries, at, at + ENTRY_BYTES - 1)
    local same = sub(one, 1, 8) == sender and (ARGV[1] == 'add' or why == '*' or sub(one, 9, 9) == why)
    found = found or same
    if not same or ARGV[1] == 'add' then kept[#kept + 1] = one end
  end
  if found ~= (ARGV[1] == 'add') then
    changed = changed + 1
    if ARGV[1] == 'add' then kept[#kept + 1] = sender .. why .. struct.pack('>I4', now_s) end
    if #kept > 0 then call('HSET', key('suppressed'), number, table.concat(kept))
    else call('HDEL', key('suppressed'), number) end
  end
end
if changed > 0 then dirty = true end
close()
return changed
