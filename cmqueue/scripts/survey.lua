-- The books and the structures at one instant.
-- Returns {counts hash, sums of the buckets' tallies, {lanes, ready, due, doubt, kept, claimed, posting, withdrawn, jobs}}
-- `ready` includes what a rollback has set aside. `claimed` and `posting` count messages that wait; `withdrawn` the
-- tombstones outside of batches.
local sums = {}
for _, bucket in ipairs(call('ZRANGE', key('buckets'), 0, -1)) do
  local page = call('HGETALL', key('tally:', bucket))
  for i = 1, #page, 2 do
    local field = page[i]
    if field ~= 'last' and field ~= 'until' then sums[field] = (sums[field] or 0) + tonumber(page[i + 1]) end
  end
end
local tallies = {}
for letter, count in pairs(sums) do
  tallies[#tallies + 1] = letter
  tallies[#tallies + 1] = count
end
local lanes, ready = 0, 0
local inside = {claimed = 0, posting = 0}
local buried = call('SCARD', key('withdrawn'))
for _, lane in ipairs({'u', 'n', 'b'}) do
  lanes = lanes + call('LLEN', key('lane:', lane))
  ready = ready + call('LLEN', key('ready:', lane)) + call('LLEN', key('aside:', lane))
end
local tombs = buried > 0
for _, batch in ipairs(open_batches()) do
  local phase = call('HGET', key('meta:', batch), 'phase')
  if phase then
    local name = key('batch:', batch)
    inside[phase] = inside[phase] + call('LLEN', name)
    for _, job in ipairs(tombs and call('LRANGE', name, 0, -1) or {}) do
      if call('SISMEMBER', key('withdrawn'), job_id(job)) == 1 then
        inside[phase], buried = inside[phase] - 1, buried - 1
      end
    end
  end
end
return {call('HGETALL', key('counts')), tallies, {lanes, ready, call('ZCARD', key('due')), call('ZCARD', key('doubt')),
  call('ZCARD', key('kept')), inside.claimed, inside.posting, buried, call('HLEN', key('jobs'))}}
