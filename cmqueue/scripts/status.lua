-- Where one message stands.
-- ARGV: 1 id
-- Returns {} | {row, where, at: ms or "", lane paused: reason or "", gate closed: why or "", gate until: ms or "",
--               when a rollback was seen: ms or ""}
-- where: "row", "list", "due", "doubt", "kept", "claimed", "posting"
local id = ARGV[1]
local row = call('HGET', key('rows:', sub(id, 1, 4)), sub(id, 5))
if not row then return {} end
local where, at, state = 'row', '', row_state(row)
if state == 'q' then
  where = phase_of(id) or 'list'
else
  for _, zset in ipairs({'due', 'doubt', 'kept'}) do
    local score = call('ZSCORE', key(zset), id)
    if score then where, at = zset, score end
  end
end
local gate = call('HMGET', key('gate'), 'closed', 'until')
local paused = call('HGET', key('pauses'), sub(row, 3, 3))
local rolled_back = call('HGET', key('rolled_back'), 'at')
return {row, where, at, paused or '', gate[1] or '', gate[2] or '', rolled_back or ''}
