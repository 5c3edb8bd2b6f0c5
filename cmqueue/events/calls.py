"""Calls: events on their way to one target, a handler or a callback's endpoint, and those that were given up.

A call waits in Redis until it has succeeded or is dead. It is taken under a lease, so whoever takes it and
vanishes loses nothing. A target that fails again and again is paused: while it is, nothing is taken, and
then one call alone, until one succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from cmqueue.events.event import Event
from cmqueue.events.packed import pack, unpack
from cmqueue.log import log
from cmqueue.settings import DAY

if TYPE_CHECKING:
    from cmqueue.outbox import Outbox

CHUNK = 500  #: calls that one script keeps: Redis does nothing else meanwhile
MOST_WAITING = 100_000  #: calls of one target
MOST_DEAD = 10_000  #: of one target; the oldest make room
DEAD_SECONDS = 7 * DAY
#: Every target that calls were ever kept for.
TARGETS = "cmq:targets"

_NOW = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""

# At its `maxmemory` Redis refuses a script whose first write could grow. What waits must go all the same.
_THOUGH_FULL = "redis.call('DEL', KEYS[3] .. ':nothing')\n"

# Keys of all: due (zset: call -> when it may be taken, milliseconds), waiting (hash: call -> failures in 2
# digits, packed event), standing (hash), dead (zset: call -> when it is forgotten), buried (hash).

# ARGV: most waiting; then call, packed, delay in milliseconds, … Returns the calls that find no room.
_PARK = (
    _NOW
    + """
local room, refused = tonumber(ARGV[1]) - redis.call('HLEN', KEYS[2]), {}
for at = 2, #ARGV, 3 do
  if redis.call('HEXISTS', KEYS[2], ARGV[at]) == 0 then
    if room > 0 then
      redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
      redis.call('ZADD', KEYS[1], now + ARGV[at + 2], ARGV[at])
      room = room - 1
    else
      refused[#refused + 1] = ARGV[at]
    end
  end
end
return refused
"""
)

# ARGV: most, lease in milliseconds. Returns why nothing is given, or '', whether it is a probe, the lease's
# end; then call, packed, …
_TAKE = (
    _NOW
    + _THOUGH_FULL
    + """
local standing = redis.call('HMGET', KEYS[3], 'off', 'until')
if standing[1] then return {'off'} end
local most, ends = tonumber(ARGV[1]), now + ARGV[2]
if standing[2] then
  if now < tonumber(standing[2]) then return {'paused'} end
  most = 1
end
local taken = {'', standing[2] and 1 or 0, ends}
for _, call in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, most)) do
  local packed = redis.call('HGET', KEYS[2], call)
  if packed then
    redis.call('ZADD', KEYS[1], ends, call)
    taken[#taken + 1] = call
    taken[#taken + 1] = packed
  else
    redis.call('ZREM', KEYS[1], call)
  end
end
if standing[2] and #taken > 3 then
  redis.call('HSET', KEYS[3], 'until', ends)
elseif standing[2] then -- the next thing that comes is the probe
  redis.call('HDEL', KEYS[3], 'until')
end
return taken
"""
)

# ARGV: call, end of its lease, whether it is a probe, verdict, delay, why, how long a dead one is kept, most
# dead, failures in a row before a pause, then the pauses; all times in milliseconds.
# Returns the pause that began, in milliseconds, or 0; and whether the call was still the caller's.
_SETTLE = (
    _NOW
    + _THOUGH_FULL
    + """
local call, verdict = ARGV[1], ARGV[4]
if verdict == 'done' then
  redis.call('ZREM', KEYS[1], call)
  redis.call('HDEL', KEYS[2], call)
  redis.call('HDEL', KEYS[3], 'failures', 'until')
  return {0, 1}
end
local score, packed = redis.call('ZSCORE', KEYS[1], call), redis.call('HGET', KEYS[2], call)
if not packed or tonumber(score) ~= tonumber(ARGV[2]) then return {0, 0} end
if verdict == 'back' then
  redis.call('ZADD', KEYS[1], now, call)
  if ARGV[3] == '1' then redis.call('HSET', KEYS[3], 'until', now) end
  return {0, 1}
end
local failures = math.min(99, tonumber(string.sub(packed, 1, 2)) + 1)
local failed = string.format('%02d', failures) .. string.sub(packed, 3)
if verdict == 'dead' then
  redis.call('ZREM', KEYS[1], call)
  redis.call('HDEL', KEYS[2], call)
  redis.call('ZADD', KEYS[4], now + ARGV[7], call)
  redis.call('HSET', KEYS[5], call, string.format('%013d', now) .. ARGV[6] .. '\\n' .. failed)
  local past = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, 1000)
  local over = redis.call('ZCARD', KEYS[4]) - ARGV[8]
  if over > 0 then
    for _, old in ipairs(redis.call('ZRANGE', KEYS[4], 0, over - 1)) do past[#past + 1] = old end
  end
  for _, old in ipairs(past) do
    redis.call('ZREM', KEYS[4], old)
    redis.call('HDEL', KEYS[5], old)
  end
else
  redis.call('HSET', KEYS[2], call, failed)
  redis.call('ZADD', KEYS[1], now + ARGV[5], call)
end
if verdict == 'off' then
  redis.call('HSET', KEYS[3], 'off', now)
  return {0, 1}
end
local till = tonumber(redis.call('HGET', KEYS[3], 'until') or 0)
if ARGV[3] == '0' and now < till then return {0, 1} end
local over = redis.call('HINCRBY', KEYS[3], 'failures', 1) - ARGV[9]
if over < 0 then return {0, 1} end
local pause = tonumber(ARGV[math.min(10 + over, #ARGV)])
redis.call('HSET', KEYS[3], 'until', now + pause)
return {pause, 1}
"""
)

# ARGV: calls. Returns those that wait again, as new.
_REDRIVE = (
    _NOW
    + """
local again = {}
for _, call in ipairs(ARGV) do
  local told = redis.call('HGET', KEYS[5], call)
  if told then
    local packed = string.sub(told, string.find(told, '\\n', 1, true) + 1)
    redis.call('HSET', KEYS[2], call, '00' .. string.sub(packed, 3))
    redis.call('ZADD', KEYS[1], now, call)
    redis.call('ZREM', KEYS[4], call)
    redis.call('HDEL', KEYS[5], call)
    again[#again + 1] = call
  end
end
return again
"""
)


class Call(NamedTuple):
    """One event on its way. `failures` so far; `ends`: of the lease, milliseconds since 1970 by Redis."""

    event: Event
    failures: int
    ends: int
    probe: bool


class Verdict(StrEnum):
    """How a try ended."""

    DONE = "done"
    RETRY = "retry"
    DEAD = "dead"
    BACK = "back"  #: it was not tried
    OFF = "off"  #: the target wants no more


class Settled(NamedTuple):
    """`pause`: seconds for which the target is paused from now on, or 0; `ours`: see `settle`."""

    pause: float
    ours: bool


class Standing(NamedTuple):
    """Where a target stands. `until`: end of its pause, seconds since 1970, 0 if there is none."""

    off: bool
    until: float
    failures: int
    waiting: int
    dead: int


class DeadCall(NamedTuple):
    """A call that was given up. `at`, `until`: when it was, and when it is forgotten, seconds since 1970."""

    event: Event
    why: str
    failures: int
    at: float
    until: float


class Calls:
    """The calls of one target, `callback:<endpoint>` or `handler:<its name>`. Safe from threads."""

    def __init__(self, outbox: Outbox, target: str) -> None:
        self.target = target
        self._outbox = outbox
        client = outbox.scripts.client
        prefix = f"cmq:{{{target}}}:"
        self._keys = [prefix + name for name in ("due", "waiting", "standing", "dead", "buried")]
        self._park, self._take, self._settle, self._redrive = (
            client.register_script(script) for script in (_PARK, _TAKE, _SETTLE, _REDRIVE)
        )

    def _run(self, script: Any, *args: Any) -> Any:
        return self._outbox.scripts.guarded(lambda: script(keys=self._keys, args=args))

    def park(self, events: Sequence[tuple[Event, float, int]]) -> list[str]:
        """Keep calls: each an event, after how many seconds it is due, and how often it failed.

        One that waits already stays as it is. Returns the ids of events for which there is no room.
        """
        client, refused = self._outbox.scripts.client, []
        if events:
            self._outbox.scripts.guarded(lambda: client.sadd(TARGETS, self.target))
        for begin in range(0, len(events), CHUNK):
            args: list[Any] = [MOST_WAITING]
            for event, delay, failures in events[begin : begin + CHUNK]:
                args += (event.id, b"%02d" % min(failures, 99) + pack(event), round(delay * 1000))
            refused += [id.decode() for id in self._run(self._park, *args)]
        return refused

    def take(self, most: int, lease: float) -> list[Call] | None:
        """Up to `most` calls that are due, for `lease` seconds; one alone as a probe after a pause.

        None while the target is paused or off. One in a newer version's format stays for that.
        """
        told = self._run(self._take, most, round(lease * 1000))
        if told[0]:
            return None
        probe, ends = bool(told[1]), int(told[2])
        found = []
        for packed in told[4::2]:
            try:
                found.append(Call(unpack(packed[2:]), int(packed[:2]), ends, probe))
            except ValueError as error:
                log.error("call.unreadable", target=self.target, error=type(error).__name__)
        return found

    def settle(
        self,
        call: Call,
        verdict: Verdict,
        *,
        delay: float = 0.0,
        why: str = "",
        pause_after: int = 1_000_000,
        pauses: Sequence[float] = (60.0,),
    ) -> Settled:
        """Write down how a try ended. After `pause_after` failures in a row the target pauses, by `pauses`.

        Where the lease had ended and somebody else has the call, only DONE counts: it is not `ours`.
        """
        pause, ours = self._run(
            self._settle,
            call.event.id,
            call.ends,
            int(call.probe),
            verdict.value,
            round(delay * 1000),
            why,
            round(DEAD_SECONDS * 1000),
            MOST_DEAD,
            pause_after,
            *(round(pause * 1000) for pause in pauses),
        )
        return Settled(pause / 1000, bool(ours))

    def pause(self, pause_after: int, pauses: Sequence[float]) -> float:
        """Pause the target as after so many failures in a row, or for longer than before; the seconds."""
        client, guarded = self._outbox.scripts.client, self._outbox.scripts.guarded
        failures = max(pause_after, self.standing().failures + 1)
        pause = pauses[min(failures - pause_after, len(pauses) - 1)]
        begun, _ = guarded(client.time)
        standing: Any = {"until": round((begun + pause) * 1000), "failures": failures}
        guarded(lambda: client.hset(self._keys[2], mapping=standing))
        return pause

    def standing(self) -> Standing:
        """How the target does. Raises OutboxUnavailable."""
        client = self._outbox.scripts.client
        _, waiting, standing, dead, _ = self._keys

        def ask() -> Any:
            pipe = client.pipeline(transaction=False)
            pipe.time()
            pipe.hmget(standing, "off", "until", "failures")
            pipe.hlen(waiting)
            pipe.zcard(dead)
            return pipe.execute()

        (seconds, _), (off, until, failures), waiting_now, dead_now = self._outbox.scripts.guarded(ask)
        ends = int(until or 0) / 1000
        return Standing(
            off is not None, ends if ends > seconds else 0.0, int(failures or 0), waiting_now, dead_now
        )

    def resume(self) -> bool:
        """Take off what holds the target, a pause or that it was turned off; whether there was anything."""
        client = self._outbox.scripts.client
        return bool(
            self._outbox.scripts.guarded(lambda: client.hdel(self._keys[2], "off", "until", "failures"))
        )

    def dead(self, begin: int = 0, count: int = 100) -> list[DeadCall]:
        """A page of the dead, the longest dead first."""
        client, guarded = self._outbox.scripts.client, self._outbox.scripts.guarded
        listed = guarded(lambda: client.zrange(self._keys[3], begin, begin + count - 1, withscores=True))
        if not listed:
            return []
        kept = guarded(lambda: client.hmget(self._keys[4], [id for id, _ in listed]))
        found = []
        for (_, until), told in zip(listed, kept, strict=True):
            if told is not None:
                head, _, packed = told.partition(b"\n")
                found.append(
                    DeadCall(
                        unpack(packed[2:]),
                        head[13:].decode(),
                        int(packed[:2]),
                        int(head[:13]) / 1000,
                        until / 1000,
                    )
                )
        return found

    def redrive(self, ids: Iterable[str]) -> list[str]:
        """Let these dead calls, by their events' ids, be tried again at once; those that will be."""
        chosen = list(ids)
        return [id.decode() for id in self._run(self._redrive, *chosen)] if chosen else []

    def erase(self, is_its: Callable[[Event], bool]) -> int:
        """Drop the calls of the events that `is_its` names, those that wait and the dead; how many."""
        client, guarded = self._outbox.scripts.client, self._outbox.scripts.guarded
        due, waiting, _, dead, buried = self._keys
        gone = 0
        for times, kept, begin in ((due, waiting, 2), (dead, buried, None)):
            cursor = 0
            while True:
                cursor, page = guarded(lambda at=cursor, kept=kept: client.hscan(kept, at, count=500))
                calls = [
                    call
                    for call, told in page.items()
                    if is_its(unpack(told[begin:] if begin else told.partition(b"\n")[2][2:]))
                ]
                if calls:
                    guarded(lambda calls=calls, times=times: client.zrem(times, *calls))
                    gone += int(guarded(lambda calls=calls, kept=kept: client.hdel(kept, *calls)))
                if cursor == 0:
                    break
        return gone

    def forget(self) -> None:
        """Drop all there is of the target."""
        client = self._outbox.scripts.client
        self._outbox.scripts.guarded(lambda: client.unlink(*self._keys))
        self._outbox.scripts.guarded(lambda: client.srem(TARGETS, self.target))


def targets(outbox: Outbox) -> list[str]:
    """Every target that calls were ever kept for. Raises OutboxUnavailable."""
    client = outbox.scripts.client
    return sorted(name.decode() for name in outbox.scripts.guarded(lambda: client.smembers(TARGETS)))


class Readiness(NamedTuple):
    """Whether a target is `held`, paused or off, and whether a call of it is `due`."""

    held: bool
    due: bool


def readiness(outbox: Outbox, names: Sequence[str]) -> dict[str, Readiness]:
    """Of each target whether it could be called now, in one round trip. Raises OutboxUnavailable."""
    client = outbox.scripts.client

    def ask() -> Any:
        pipe = client.pipeline(transaction=False)
        pipe.time()
        for name in names:
            pipe.zrange(f"cmq:{{{name}}}:due", 0, 0, withscores=True)
            pipe.hmget(f"cmq:{{{name}}}:standing", "off", "until")
        return pipe.execute()

    (seconds, micros), *told = outbox.scripts.guarded(ask)
    now = seconds * 1000 + micros // 1000
    return {
        name: Readiness(held=off is not None or int(until or 0) > now, due=bool(first) and first[0][1] <= now)
        for name, first, (off, until) in zip(names, told[::2], told[1::2], strict=True)
    }
