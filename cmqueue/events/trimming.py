"""Trimming the streams of events: what all subscribers acknowledged goes, and what nobody reads, in time.

`boundary` decides, `trim` enacts. The errand `events` of the workers calls it twice a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cmqueue.events.subscribers import stream_of
from cmqueue.log import log
from cmqueue.settings import DAY

if TYPE_CHECKING:
    from cmqueue.outbox import Outbox

KEPT_SECONDS = 7 * DAY  #: that an event waits for those who do not read it
IDLE_SECONDS = 3600.0  #: after which a consumer that holds nothing is forgotten

# The stream goes with its last group.
UNREAD_GOES = """
if redis.call('EXISTS', KEYS[1]) == 1 and #redis.call('XINFO', 'GROUPS', KEYS[1]) == 0 then
  redis.call('UNLINK', KEYS[1])
end
return redis.status_reply('OK')
"""

# Forgets consumers that hold nothing and were not heard of for long. ARGV: group, milliseconds.
_FORGET = """
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local told = {}
  for at = 1, #consumer, 2 do told[consumer[at]] = consumer[at + 1] end
  if told.pending == 0 and told.idle > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], told.name)
  end
end
return redis.status_reply('OK')
"""


class Place(NamedTuple):
    """The id of a stream's entry: milliseconds since 1970, and a count within them."""

    ms: int
    n: int

    @classmethod
    def parse(cls, text: str) -> Place:
        ms, _, n = text.partition("-")
        return cls(int(ms), int(n or 0))

    @property
    def following(self) -> Place:
        """The least place behind this one."""
        return Place(self.ms, self.n + 1)

    def __str__(self) -> str:
        return f"{self.ms}-{self.n}"


class Reading(NamedTuple):
    """How far a group is: the last entry given out, and the first that is not acknowledged."""

    last: Place
    first_pending: Place | None = None

    @property
    def first_needed(self) -> Place:
        """All before this place is acknowledged."""
        return self.last.following if self.first_pending is None else self.first_pending


class Boundary(NamedTuple):
    """What of a stream can go: all before `acknowledged`, and all before `old`, whoever has not read it."""

    acknowledged: Place
    old: Place


def boundary(readings: Sequence[Reading], now_ms: int, kept_ms: int) -> Boundary:
    """Up to where a stream may be cut. Without a group that reads it nothing is acknowledged."""
    needed = min((reading.first_needed for reading in readings), default=Place(0, 0))
    return Boundary(needed, Place(max(now_ms - kept_ms, 0), 0))


def trim(outbox: Outbox, *, kept_seconds: float = KEPT_SECONDS, idle_seconds: float = IDLE_SECONDS) -> int:
    """Cut the streams of all partitions; how many entries were dropped that somebody had not read.

    Those are an alarm, `events.dropped`, with the groups that are behind. Raises OutboxUnavailable.
    """
    client, guarded = outbox.scripts.client, outbox.scripts.guarded
    codes = sorted(outbox.registry.known())
    if not codes:
        return 0

    def exist() -> Any:
        pipe = client.pipeline(transaction=False)
        pipe.time()
        for code in codes:
            pipe.exists(stream_of(code))
        return pipe.execute()

    (seconds, micros), *there = guarded(exist)
    now_ms = seconds * 1000 + micros // 1000
    return sum(
        _trim(outbox, code, now_ms, round(kept_seconds * 1000), round(idle_seconds * 1000))
        for code, present in zip(codes, there, strict=True)
        if present
    )


def _trim(outbox: Outbox, code: str, now_ms: int, kept_ms: int, idle_ms: int) -> int:
    client, guarded, key = outbox.scripts.client, outbox.scripts.guarded, stream_of(code)
    groups = guarded(lambda: client.xinfo_groups(key))
    names = [group["name"].decode() for group in groups]
    if not groups:
        guarded(lambda: client.eval(UNREAD_GOES, 1, key))
        return 0

    def summaries() -> Any:
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.xpending(key, name)
            pipe.eval(_FORGET, 1, key, name, str(idle_ms))
        return pipe.execute()[::2]

    readings = [
        Reading(
            Place.parse(group["last-delivered-id"].decode()),
            Place.parse(pending["min"].decode()) if pending["min"] else None,
        )
        for group, pending in zip(groups, guarded(summaries), strict=True)
    ]
    cut = boundary(readings, now_ms, kept_ms)
    guarded(lambda: client.xtrim(key, minid=str(cut.acknowledged), approximate=False))
    if cut.old <= cut.acknowledged:
        return 0
    dropped = int(guarded(lambda: client.xtrim(key, minid=str(cut.old), approximate=False)))
    behind = [name for name, reading in zip(names, readings, strict=True) if reading.first_needed < cut.old]
    for name in behind:
        _let_go(outbox, key, name, cut.old)
    if dropped:
        log.error("events.dropped", partition=code, entries=dropped, groups=behind)
    return dropped


def _let_go(outbox: Outbox, key: str, group: str, old: Place) -> None:
    """Acknowledge what is gone, or Redis 6.2 would keep the group waiting for it."""
    client, guarded = outbox.scripts.client, outbox.scripts.guarded
    last = Place(old.ms - 1, 2**63)
    while True:
        gone = guarded(lambda: client.xpending_range(key, group, "-", str(last), 1000))
        if not gone:
            return
        ids = [entry["message_id"] for entry in gone]
        guarded(lambda ids=ids: client.xack(key, group, *ids))
