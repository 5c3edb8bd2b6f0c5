-- Forget a time bucket in which nothing waits and whose last finish is older than the retention.
-- ARGV: 1 retention, seconds
-- Returns how many rows went; their counts stay in `dropped:<letter>`, so that the books go on balancing.
begin_though_full()
local gone = 0
for _, bucket in ipairs(call('ZRANGEBYSCORE', key('buckets'), '-inf', now_s - tonumber(ARGV[1]), 'LIMIT', 0, 5)) do
  local page = call('HGETALL', key('tally:', bucket))
  local last, waiting, sums = now_s, 0, {}
  for i = 1, #page, 2 do
    local letter, count = page[i], tonumber(page[i + 1])
    if letter == 'last' then last = count
    elseif finished(letter) then sums[letter] = count
    else waiting = waiting + count end
  end
  if waiting == 0 and last <= now_s - tonumber(ARGV[1]) then
    for letter, count in pairs(sums) do
      if count ~= 0 then
        call('HINCRBY', key('counts'), 'dropped:' .. letter, count)
        gone = gone + count
      end
    end
    call('UNLINK', key('rows:', bucket), key('tally:', bucket))
    call('ZREM', key('buckets'), bucket)
    call('HINCRBY', key('counts'), 'seq', 1)
  else -- look again when its last finish is old enough; an hour later while something waits
    local again = waiting > 0 and now_s - tonumber(ARGV[1]) + 3600 or last
    call('ZADD', key('buckets'), again, bucket)
  end
end
return gone
