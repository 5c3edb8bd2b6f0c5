-- The reference that a broadcast's idempotency key stands for: the first call's.
-- ARGV: 1 this call's reference  2 how long to remember it from now on, seconds
--       3... a pair for each secret key, newest first: hmac of the idempotency key, digest of the payload
-- Returns {reference, place of the secret key that it was remembered by, from 0; 1 where the payload is the same}
-- A repeat finds by their rows whom the first call reached, so no row of its bucket goes before the key does.
local life = tonumber(ARGV[2])
local function keep_rows(reference)
  local bucket = sub(reference, 3, 6)
  local tally, ends = key('tally:', bucket), now_s + life + 1
  if (tonumber(call('HGET', tally, 'until')) or 0) < ends then call('HSET', tally, 'until', ends) end
  call('ZADD', key('buckets'), 'NX', now_s, bucket)
end

for n = 3, #ARGV, 2 do
  local name = key('idem:', ARGV[n])
  local known = call('GET', name)
  if known then
    local same = sub(known, 17) == ARGV[n + 1]
    if same then -- the key must not end while the repeat still streams in
      keep_rows(known)
      if call('TTL', name) < life then call('EXPIRE', name, life) end
    end
    return {sub(known, 1, 16), (n - 3) / 2, same and 1 or 0}
  end
end
keep_rows(ARGV[1])
call('SET', key('idem:', ARGV[3]), ARGV[1] .. ARGV[4], 'EX', life)
return {ARGV[1], 0, 1}
