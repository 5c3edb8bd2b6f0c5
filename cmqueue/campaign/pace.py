"""How soon a campaign may be sent: what waits before it, and how fast the outbox was drained lately.

What was sent lately tells how fast that can go only where messages had to wait for it; else it tells how many
there were.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import partial
from typing import Literal

from cmqueue.outbox import Outbox
from cmqueue.partition import Partition
from cmqueue.row import Row
from cmqueue.state import STATE_OF_LETTER, State

ASSUMED = 1_000.0  #: messages a second, where nothing is known

_BUCKETS = 3  #: of ten minutes each, the latest
_SAMPLE = 2_000  #: rows of each
_FEWEST = 500  #: messages that make a rate
_WAITED = 2  #: seconds, the median, from which on the drain is what took the time
_BULK = 0.8  #: the share of messages by whose time the rate is told: stragglers take minutes

Known = Literal["measured", "given", "assumed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Messages a second, how that is known, and how many messages are before these."""

    rate: float
    known: Known
    ahead: int

    def seconds(self, messages: int) -> float:
        """Until the last of so many is sent."""
        return (self.ahead + messages) / self.rate


def pace(outbox: Outbox | None, account: str, *, given: float | None) -> Pace:
    """What is known of the way out for `account`; `given` is what somebody who knows better has said.

    Raises OutboxUnavailable.
    """
    ahead, measured = 0, 0.0
    for owner, partition in outbox.registry.known().values() if outbox else ():
        if owner == account:
            places = partition.survey().places
            ahead += places["lanes"] + places["ready"] + places["claimed"] + places["posting"]
            measured += _lately(outbox, partition) if outbox and given is None else 0.0
    if given is not None:
        return Pace(rate=given, known="given", ahead=ahead)
    if measured:
        return Pace(rate=measured, known="measured", ahead=ahead)
    return Pace(rate=ASSUMED, known="assumed", ahead=ahead)


def _lately(outbox: Outbox, partition: Partition) -> float:
    """The best rate of the latest time buckets; 0 where none tells."""
    client, guarded = outbox.scripts.client, outbox.scripts.guarded
    best = 0.0
    for bucket in guarded(lambda: client.zrevrange(partition.prefix + "buckets", 0, _BUCKETS - 1)):
        name = bucket.decode()
        tally = guarded(partial(client.hgetall, f"{partition.prefix}tally:{name}"))
        ended = sum(
            int(count)
            for letter, count in tally.items()
            if (state := STATE_OF_LETTER.get(letter.decode())) and state.finished
        )
        if ended >= _FEWEST:
            rows = f"{partition.prefix}rows:{name}"
            page = guarded(partial(client.hscan, rows, 0, count=_SAMPLE))[1]
            best = max(best, _rate([Row.unpack(row) for row in page.values()], ended))
    return best


def _rate(rows: list[Row], ended: int) -> float:
    """By a sample of the rows of one bucket, of which `ended` in all have ended."""
    times = sorted(
        (row.history[-1].at, row.history[-1].at - row.history[0].at)
        for row in rows
        if row.state is State.ACCEPTED
    )
    if not times or statistics.median(waited for _, waited in times) < _WAITED:
        return 0.0
    most = times[: max(1, round(len(times) * _BULK))]
    return ended * _BULK / max(most[-1][0] - most[0][0], 1)
