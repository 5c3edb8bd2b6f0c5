"""How many of some unknown messages a redrive would double, by what this installation has seen.

A doubt has a reason, and what it came to differs by that: a timeout is no lost connection. The rows that are
kept tell of each doubt that was settled since, by a receipt, the Transactions API or a late answer, whether
CM had taken the message. Nearly all that settles one is a yes, since nobody reports what CM does not have:
so the forecast errs on the cautious side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil

from cmqueue.graveyard import Grave
from cmqueue.identity import bucket_age
from cmqueue.job import UnknownFormat
from cmqueue.outbox import Outbox
from cmqueue.partition import Partition
from cmqueue.row import HEAD, Row
from cmqueue.state import Reason, State

MOST_ROWS = 200_000  #: that are looked through, the newest first: some seconds
ENOUGH = 20  #: settled doubts of a reason, before they say anything about the next
_PROOFS = frozenset({Reason.LATE_ANSWER, Reason.RECEIPT, Reason.TRANSACTION})
_STATE_AT, _ENTRIES_AT = 1, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """What became of doubts: of each reason how many were settled, and how many of those CM had taken."""

    settled: Counter[Reason]
    taken: Counter[Reason]
    rows: int  #: that were looked through


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The forecast for the messages of one reason; `doubt` is None where their rows don't tell it."""

    doubt: Reason | None
    messages: int
    settled: int
    taken: int

    @property
    def enough(self) -> bool:
        """Whether there is experience enough to go by."""
        return self.settled >= ENOUGH

    @property
    def doubled(self) -> int:
        """How many will be sent twice, as far as can be told; all of them where nothing can."""
        return ceil(self.messages * self.taken / self.settled) if self.enough else self.messages


def experience(outbox: Outbox, most_rows: int = MOST_ROWS) -> Experience:
    """What the rows tell, the newest `most_rows` of them. Raises OutboxUnavailable."""
    settled, taken, seen = Counter[Reason](), Counter[Reason](), 0
    for packed in _newest(outbox, most_rows):
        seen += 1
        if packed[_ENTRIES_AT] < 3:  # queued, in doubt, settled
            continue
        try:
            row = Row.unpack(packed)
        except (UnknownFormat, KeyError, ValueError):
            continue
        found = verdict(row)
        if found is not None:
            reason, was_taken = found
            settled[reason] += 1
            taken[reason] += was_taken
    return Experience(settled=settled, taken=taken, rows=seen)


def verdict(row: Row) -> tuple[Reason, bool] | None:
    """Why the message was in doubt, and whether CM had taken it; None where nothing proves either.

    What was sent again in between proves nothing: it may have been the second one.
    """
    doubt: Reason | None = None
    for entry in row.history:
        if entry.state is State.AMBIGUOUS:
            if doubt is not None and entry.reason.perhaps_sent:
                return None  # sent twice
            doubt = entry.reason if entry.reason.perhaps_sent else doubt
        elif entry.state is State.QUEUED and doubt is not None:
            return None
        elif entry.reason in _PROOFS and doubt is not None:
            return doubt, entry.state is not State.REJECTED
    return None


def forecast(graves: Iterable[Grave], seen: Experience) -> list[Line]:
    """A line for each reason among `graves`, the most messages first."""
    counts = Counter(grave.doubt for grave in graves)
    return [
        Line(
            doubt=doubt,
            messages=count,
            settled=0 if doubt is None else seen.settled[doubt],
            taken=0 if doubt is None else seen.taken[doubt],
        )
        for doubt, count in counts.most_common()
    ]


def _newest(outbox: Outbox, most: int) -> Iterator[bytes]:
    """Up to `most` rows of all partitions, the newest time buckets first, in small steps."""
    scripts = outbox.scripts
    now = float(scripts.guarded(scripts.client.time)[0])
    buckets: list[tuple[float, Partition, str]] = []
    for _, partition in outbox.registry.known().values():
        names = scripts.guarded(lambda at=partition.prefix: scripts.client.zrange(f"{at}buckets", 0, -1))
        buckets += ((bucket_age(name.decode(), now), partition, name.decode()) for name in names)
    for _, partition, bucket in sorted(buckets, key=lambda each: each[0]):
        rows, cursor = f"{partition.prefix}rows:{bucket}", 0
        while True:
            cursor, page = scripts.guarded(
                lambda at=cursor, rows=rows: scripts.client.hscan(rows, at, count=1000)
            )
            for row in page.values():
                if len(row) >= HEAD.size:
                    yield row
                    most -= 1
                    if most <= 0:
                        return
            if cursor == 0:
                break
