-- The books and the structures at one instant.
-- Returns {counts hash, sums of the buckets' tallies, {lanes, ready, due, doubt, kept, claimed, posting, withdrawn, jobs}}
local sums = {}
for _, bucket in ipairs(call('ZRANGE', key('buckets'), 0, -1)) do
  local page = call('HGETALL', key('tally:', bucket))
  for i = 1, #page, 2 do
    if page[i] ~= 'last' then sums[page[i]] = (sums[page[i]] or 0) + tonumber(page[i + 1]) end
  end
end
local tallies = {}
for letter, count in pairs(sums) do
  tallies[#tallies + 1] = letter
  tallies[#tallies + 1] = count
end
local lanes, ready = 0, 0
local inside = {claimed = 0, posting = 0}
local open = call('ZRANGE', key('leases'), 0, -1)
for _, lane in ipairs({'u', 'n', 'b'}) do
  lanes = lanes + call('LLEN', key('lane:', lane))
  ready = ready + call('LLEN', key('ready:', lane))
  for _, orphan in ipairs(call('LRANGE', key('orphans:', lane), 0, -1)) do open[#open + 1] = orphan end
end
for i = 1, #open do
  local phase = call('HGET', key('meta:', open[i]), 'phase')
  if phase then inside[phase] = inside[phase] + call('LLEN', key('batch:', open[i])) end
end
return {call('HGETALL', key('counts')), tallies, {lanes, ready, call('ZCARD', key('due')), call('ZCARD', key('doubt')),
  call('ZCARD', key('kept')), inside.claimed, inside.posting, call('SCARD', key('withdrawn')), call('HLEN', key('jobs'))}}
