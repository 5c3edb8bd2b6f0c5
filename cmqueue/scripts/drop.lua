-- Forget a time bucket in which nothing waits, whose last finish is older than the retention, and which no broadcast's
-- idempotency key needs.
-- ARGV: 1 retention, seconds
-- Returns how many rows went; their counts stay in `dropped:<letter>`, so that the books go on balancing.
begin_though_full()
local gone = 0
local ended = now_s - tonumber(ARGV[1]) -- what finished before is old enough
for _, bucket in ipairs(call('ZRANGEBYSCORE', key('buckets'), '-inf', ended, 'LIMIT', 0, 5)) do
  local page = call('HGETALL', key('tally:', bucket))
  local last, needed, waiting, sums = 0, 0, 0, {}
  for i = 1, #page, 2 do
    local field, count = page[i], tonumber(page[i + 1])
    if field == 'last' then last = count
    elseif field == 'until' then needed = count
    elseif finished(field) then sums[field] = count
    else waiting = waiting + count end
  end
  if waiting == 0 and last <= ended and needed <= now_s then
    for letter, count in pairs(sums) do
      if count ~= 0 then
        call('HINCRBY', key('counts'), 'dropped:' .. letter, count)
        gone = gone + count
      end
    end
    call('UNLINK', key('rows:', bucket), key('tally:', bucket))
    call('ZREM', key('buckets'), bucket)
    call('HINCRBY', key('counts'), 'seq', 1)
  else -- look again when it can go; an hour later while something waits
    local again = waiting > 0 and ended + 3600 or math.max(last, needed - tonumber(ARGV[1]))
    call('ZADD', key('buckets'), again, bucket)
  end
end
return gone
