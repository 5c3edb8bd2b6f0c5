"""The inlet: the durable stream between CM's webhooks and what is made of them.

`cmq:inlet` is a Redis stream with an entry for each request that was answered 200. Its fields:

    v  the format, `1`
    k  the kind: `status`, `inbound` or `event`
    f  the form of the body: `json`, `xml`, or `get` for a query string
    a  the alias of the account that the URL named, or empty
    b  the body, byte for byte, which nobody has read

The consumer group `receive` reads it; an entry is deleted once all that it says is written elsewhere, so the
stream's length is what waits. What cannot be read goes to the stream `cmq:unreadable`, for a day.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from redis.exceptions import ResponseError

from cmqueue.log import log
from cmqueue.outbox import Outbox

INLET, UNREADABLE, NOTHING = "cmq:inlet", "cmq:unreadable", "cmq:nothing"
GROUP = "receive"
FORMAT = b"1"
TAKE_OVER = 30.0  #: seconds after which an entry that somebody took and did not finish is given to another
TAKE_BYTES = 8 << 20  #: of bodies, that a take comes to at most, by the size of those before
FIRST_TAKE = 500
KEEP_UNREADABLE = 24 * 3600  #: seconds
MOST_UNREADABLE = 10_000

# ARGV: kind, form, account, body; … All of it is written, or, where Redis is full, nothing.
_PUT = """
for n = 1, #ARGV, 4 do
  local kind, form, account, body = ARGV[n], ARGV[n + 1], ARGV[n + 2], ARGV[n + 3]
  redis.call('XADD', KEYS[1], '*', 'v', '1', 'k', kind, 'f', form, 'a', account, 'b', body)
end
return #ARGV / 4
"""

# Begins with a write that can't grow, after which a full Redis lets it go on: the inlet must be emptied then.
# ARGV: seconds and number to keep, then fields and their values.
_SET_ASIDE = """
local now = redis.call('TIME')
redis.call('XTRIM', KEYS[1], 'MINID', (now[1] - ARGV[1]) * 1000)
redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[2], '*', unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""

# Begins like the one above.
_MAKE_GROUP = """
redis.call('DEL', KEYS[2])
redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM') -- another process may have been faster
"""


class Kind(StrEnum):
    """What a request of CM's tells of."""

    STATUS = "status"
    INBOUND = "inbound"
    EVENT = "event"


class Form(StrEnum):
    """How its body is written, as far as can be told without reading it."""

    JSON = "json"
    XML = "xml"
    GET = "get"


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What one request brought. `account` is empty where its URL named none."""

    kind: Kind
    form: Form
    account: str = ""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An entry of the inlet that this consumer works on. `seconds` is when it came, by Redis's clock."""

    id: str
    brought: Brought
    seconds: float


class Inlet:
    """Puts in and takes out, at least once. Each call raises OutboxUnavailable, `put` also OutboxFull."""

    def __init__(self, outbox: Outbox) -> None:
        self._scripts = outbox.scripts
        self._client = outbox.scripts.client
        self._put = self._client.register_script(_PUT)
        self._set_aside = self._client.register_script(_SET_ASIDE)
        self._make_group = self._client.register_script(_MAKE_GROUP)
        self._from = "0-0"  # where the search for what others left goes on
        self._fitting = FIRST_TAKE  # how many entries of the size of those before make TAKE_BYTES

    def put(self, items: Sequence[Brought]) -> None:
        """Write all of them in one step; when this returns they are in Redis, in their order.

        Where it raises they may be there nevertheless, unless it is OutboxFull: bring them again.
        """
        if items:
            args = [part for one in items for part in (one.kind, one.form, one.account, one.body)]
            self._scripts.guarded(lambda: self._put(keys=[INLET], args=args))

    def take(self, consumer: str, most: int) -> list[Taken]:
        """Up to `most` entries for `consumer`: what lay unfinished for TAKE_OVER seconds, then new ones.

        Fewer where they are large, so that a take stays in memory. An entry of a format that this version
        does not know stays as it is, for a version that does.
        """
        most = min(most, self._fitting)
        entries = self._grouped(self._left, consumer, most)
        if len(entries) < most:
            entries += self._grouped(self._new, consumer, most - len(entries))
        taken = [_taken(id, fields) for id, fields in entries]
        if taken:
            size = sum(len(one.brought.body) for one in taken if one is not None)
            self._fitting = max(1, TAKE_BYTES * len(taken) // max(size, 1))
        if None in taken:
            log.error("inlet.unknown_format", entries=taken.count(None))
        return [one for one in taken if one is not None]

    def done(self, ids: Sequence[str]) -> None:
        """All that these entries say is written elsewhere: they are deleted. Safe to repeat."""
        if ids:
            pipe = self._client.pipeline(transaction=True)
            pipe.xack(INLET, GROUP, *ids)
            pipe.xdel(INLET, *ids)
            self._scripts.guarded(pipe.execute)

    def waiting(self) -> int:
        """How many entries are not done yet, those that somebody works on included.

        This is asked every second, so it also forgets the unreadable ones of yesterday.
        """
        pipe = self._client.pipeline(transaction=False)
        pipe.xlen(INLET)
        pipe.xtrim(UNREADABLE, minid=int(time.time() - KEEP_UNREADABLE) * 1000, approximate=False)
        return int(self._scripts.guarded(pipe.execute)[0])

    def ready(self) -> bool:
        """Whether `take` would give something now: one that nobody has, or that lies unfinished for long."""
        waiting = self.waiting()
        if waiting == 0:
            return False

        def command() -> bool:
            pipe = self._client.pipeline(transaction=False)
            pipe.xpending(INLET, GROUP)
            pipe.xpending_range(INLET, GROUP, "-", "+", 1, idle=int(TAKE_OVER * 1000))
            try:
                held, left = pipe.execute()
            except ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                return True
            return bool(waiting > held["pending"] or left)

        return bool(self._scripts.guarded(command))

    def unreadable(self, taken: Taken, why: str) -> None:
        """Set aside what cannot be read, with an alarm. `why` holds nothing of the body."""
        brought = taken.brought
        log.error(
            "inlet.unreadable",
            entry=taken.id,
            kind=brought.kind.value,
            form=brought.form.value,
            account=brought.account,
            bytes=len(brought.body),
            why=why,
        )
        fields = ("w", why, "k", brought.kind, "f", brought.form, "a", brought.account, "b", brought.body)
        args: list[Any] = [KEEP_UNREADABLE, MOST_UNREADABLE, *fields]
        self._scripts.guarded(lambda: self._set_aside(keys=[UNREADABLE], args=args))
        self.done([taken.id])

    def _grouped(self, read: Any, consumer: str, most: int) -> list[Any]:
        """What `read` gives; the group is made where there is none (any more)."""

        def command() -> list[Any]:
            try:
                return list(read(consumer, most))
            except ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
            self._make_group(keys=[INLET, NOTHING], args=[GROUP])
            return list(read(consumer, most))

        found: list[Any] = self._scripts.guarded(command)
        return found

    def _left(self, consumer: str, most: int) -> list[Any]:
        """What a consumer left that died, or met an error."""
        idle = int(TAKE_OVER * 1000)
        found: Any = self._client.xautoclaim(INLET, GROUP, consumer, idle, start_id=self._from, count=most)
        self._from = found[0]
        return [(id, fields) for id, fields in found[1] if fields]  # deleted ones have none

    def _new(self, consumer: str, most: int) -> list[Any]:
        found: Any = self._client.xreadgroup(GROUP, consumer, {INLET: ">"}, count=most)
        return list(itertools.chain.from_iterable(entries for _, entries in found))


def _taken(id: bytes, fields: Mapping[bytes, bytes]) -> Taken | None:
    """The entry; None where its format is another."""
    if fields.get(b"v") != FORMAT:
        return None
    name = id.decode()
    try:
        brought = Brought(
            kind=Kind(fields[b"k"].decode()),
            form=Form(fields[b"f"].decode()),
            account=fields[b"a"].decode(),
            body=fields[b"b"],
        )
    except (KeyError, ValueError):
        return None
    return Taken(id=name, brought=brought, seconds=int(name.partition("-")[0]) / 1000)
