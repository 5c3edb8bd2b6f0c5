"""Forgetting a number: all that is kept of it goes, but for its keyed hash on the suppression list.

Rows, idempotency keys and logs hold no number. What holds one are the jobs of messages that wait or can be
sent again, what somebody wrote from that number and the app has not read, and status reports that nobody
could read. What CM's webhooks brought and nobody has worked on yet is not looked into: that takes seconds,
and then it is where this finds it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from cmqueue.events.calls import Calls, targets
from cmqueue.events.event import NEWS
from cmqueue.events.subscribers import stream_of
from cmqueue.inlet import UNREADABLE
from cmqueue.job import HEAD_BYTES
from cmqueue.lane import Lane
from cmqueue.log import log
from cmqueue.outbox import Outbox
from cmqueue.partition import Partition
from cmqueue.suppression import plain_number

PAGE = 1000
MOST_PASSES = 5  #: a job that moves while it is looked for is found in the next
PORTION = 100  #: jobs that one script call forgets: it looks for each through its lane
_NUMBER_SIZE_AT = HEAD_BYTES - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was kept of the number, in messages and entries.

    `cancelled` were certainly not sent, `unknown` may have been, `dropped` had ended and could have been sent
    again; `in_hand` are with a worker now: forget once more when they are through. `letters` are events,
    waiting for whoever subscribed, a handler or a callback, and reports.
    """

    cancelled: int = 0
    unknown: int = 0
    dropped: int = 0
    in_hand: int = 0
    letters: int = 0


def forget(outbox: Outbox, number: str) -> Forgotten:
    """Forget `number`, however it is written. Raises OutboxUnavailable; repeating it is safe."""
    plain = plain_number(number)
    said = Counter[str]()
    letters = _unreadable(outbox, plain)
    for code, (_, partition) in sorted(outbox.registry.known().items()):
        for _ in range(MOST_PASSES):
            told = _pass(outbox, partition, plain)
            in_hand = told.pop("b", 0)  # the same in each pass
            said.update(told)
            if not told:
                break
        said["b"] += in_hand
        letters += _events(outbox, code, plain)
    for target in targets(outbox):  # last: what was in the streams may have become calls meanwhile
        letters += Calls(outbox, target).erase(lambda event: _is_of(event.data, plain))
    found = Forgotten(
        cancelled=said["c"], unknown=said["u"], dropped=said["d"], in_hand=said["b"], letters=letters
    )
    log.info(
        "number.forgotten",
        cancelled=found.cancelled,
        unknown=found.unknown,
        dropped=found.dropped,
        in_hand=found.in_hand,
        letters=letters,
    )
    return found


def _pass(outbox: Outbox, partition: Partition, plain: str) -> Counter[str]:
    """Look through the partition once; what became of each job, by letter (scripts/forget.lua)."""
    told = Counter[str]()
    mine = (job for job in _jobs(outbox, partition) if _number_of(job) == plain)
    while portion := list(islice(mine, PORTION)):
        reply: bytes = outbox.scripts.run("forget", partition.prefix, list(portion))
        told.update(reply.decode())
    return told


def _number_of(job: bytes) -> str:
    size = job[_NUMBER_SIZE_AT]
    return plain_number(job[HEAD_BYTES : HEAD_BYTES + size].decode("utf-8", "replace"))


def _jobs(outbox: Outbox, partition: Partition) -> Iterator[bytes]:
    """Every job that the partition holds, in small steps; a list from its end, since its front is taken."""
    client, guarded, prefix = outbox.scripts.client, outbox.scripts.guarded, partition.prefix
    names = [f"{prefix}{kind}:{lane.letter}" for lane in Lane for kind in ("lane", "ready", "aside")]
    batches = guarded(lambda: client.zrange(prefix + "leases", 0, -1))
    for lane in Lane:
        orphans = f"{prefix}orphans:{lane.letter}"
        batches += guarded(lambda orphans=orphans: client.lrange(orphans, 0, -1))
    names += [f"{prefix}batch:{batch.decode()}" for batch in batches]
    for name in names:
        end = guarded(lambda name=name: client.llen(name))
        while end > 0:
            begin = max(end - PAGE, 0)
            last = end - 1
            yield from guarded(lambda name=name, at=begin, last=last: client.lrange(name, at, last))
            end = begin
    for name in ("jobs", "sent"):
        cursor = 0
        while True:
            cursor, page = guarded(
                lambda name=name, cursor=cursor: client.hscan(prefix + name, cursor, count=PAGE)
            )
            yield from page.values()
            if cursor == 0:
                break


def _events(outbox: Outbox, code: str, plain: str) -> int:
    """Take what the number wrote out of the stream of events."""

    def is_its(fields: dict[bytes, bytes]) -> bool:
        if NEWS not in fields:
            return False
        try:
            data = json.loads(fields[NEWS]).get("data", {})
        except ValueError:
            return False
        return _is_of(data, plain)

    return _taken_out(outbox, stream_of(code), is_its)


def _is_of(data: Mapping[str, Any], plain: str) -> bool:
    """Whether the number wrote, or was written to, by the data of an event."""
    return any(plain_number(str(data.get(end))) == plain for end in ("from", "to"))


def _unreadable(outbox: Outbox, plain: str) -> int:
    digits = plain.encode()
    return _taken_out(outbox, UNREADABLE, lambda fields: any(digits in value for value in fields.values()))


def _taken_out(outbox: Outbox, stream: str, is_its: Callable[[dict[bytes, bytes]], bool]) -> int:
    client, guarded = outbox.scripts.client, outbox.scripts.guarded
    begin, gone = "-", 0
    while page := guarded(lambda begin=begin: client.xrange(stream, begin, count=PAGE)):
        ids = [id for id, fields in page if is_its(fields)]
        if ids:
            gone += int(guarded(lambda ids=ids: client.xdel(stream, *ids)))
        begin = "(" + page[-1][0].decode()
    return gone
