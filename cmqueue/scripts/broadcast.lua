-- The reference that a broadcast's idempotency key stands for: the first call's.
-- ARGV: 1 this call's reference  2 how long to remember it, seconds
--       3... a pair for each secret key, newest first: hmac of the idempotency key, digest of the payload
-- Returns {reference, place of the secret key that it was remembered by, from 0; 1 where the payload is the same}
for n = 3, #ARGV, 2 do
  local known = call('GET', key('idem:', ARGV[n]))
  if known then return {sub(known, 1, 16), (n - 3) / 2, sub(known, 17) == ARGV[n + 1] and 1 or 0} end
end
call('SET', key('idem:', ARGV[3]), ARGV[1] .. ARGV[4], 'EX', ARGV[2])
return {ARGV[1], 0, 1}
