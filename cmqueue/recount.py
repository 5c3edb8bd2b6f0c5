"""The recount: every row read once, and every entry of every structure held against its row.

It reads in small steps, so Redis serves others in between, and messages move meanwhile. What looks wrong only
because something moved looks right at the next reading: `cmqueue.audit` counts what is wrong three times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cmqueue.connection import Scripts
from cmqueue.job import KEY_AT
from cmqueue.lane import Lane
from cmqueue.partition import Partition

PAGE = 1000
#: Of the many that one fault may bring, as many are named.
NAMED = 1000


class Entry(NamedTuple):
    """A message where it waits. `state` is the letter that its row must have there."""

    place: str
    key: str
    state: str


@dataclass(slots=True)
class Recount:
    """What one reading found in a partition."""

    rows: int = 0
    problems: set[str] = field(default_factory=set)

    def wrong(self, problem: str) -> None:
        if len(self.problems) < NAMED:
            self.problems.add(problem)


def recount(scripts: Scripts, partition: Partition) -> Recount:
    """Read one partition through."""
    found = Recount()
    before = partition.survey().counts
    found.rows = sum(1 for _ in partition.rows())
    after = partition.survey().counts
    least = before.get("enqueued", 0) - _dropped(after)
    most = after.get("enqueued", 0) - _dropped(before)
    if not least <= found.rows <= most:
        found.wrong(f"partition {partition.code}: {found.rows} rows, where {least} to {most} must be")
    seen: set[int] = set()
    for page in _entries(scripts, partition):
        _hold_against_rows(scripts, partition, page, seen, found)
    return found


def _dropped(counts: dict[str, int]) -> int:
    return sum(count for name, count in counts.items() if name.startswith("dropped:"))


def _hold_against_rows(
    scripts: Scripts, partition: Partition, page: Sequence[Entry], seen: set[int], found: Recount
) -> None:
    pipe = scripts.client.pipeline(transaction=False)
    for entry in page:
        pipe.hget(f"{partition.prefix}rows:{entry.key[:4]}", entry.key[4:])
    pipe.smismember(partition.prefix + "withdrawn", [entry.key for entry in page])
    *rows, withdrawn = scripts.guarded(pipe.execute)
    for entry, row, gone in zip(page, rows, withdrawn, strict=True):
        name = partition.code + entry.key
        mark = hash(entry.key)
        if mark in seen:
            found.wrong(f"{name} is in {entry.place}, and in another place too")
        seen.add(mark)
        state = row[1:2].decode() if row is not None else None
        if state is None and gone and entry.state == "q":
            continue  # a message that ended in its lane, and was dropped while its job still lies there
        if state is None:
            found.wrong(f"{name} is in {entry.place}, but has no row")
        elif gone and entry.state == "q":
            if state.islower():
                found.wrong(f"{name} is in {entry.place} and withdrawn, but its row waits ({state})")
        elif state not in entry.state:
            found.wrong(f"{name} is in {entry.place}, but its row says {state}")


def _entries(scripts: Scripts, partition: Partition) -> Iterator[list[Entry]]:
    """Every entry of every structure, in pages."""
    prefix, client, guarded = partition.prefix, scripts.client, scripts.guarded
    lists = [f"{kind}:{lane.letter}" for lane in Lane for kind in ("lane", "ready", "aside")]
    batches = guarded(lambda: client.zrange(prefix + "leases", 0, -1))
    for lane in Lane:
        orphans = prefix + f"orphans:{lane.letter}"
        batches += guarded(lambda orphans=orphans: client.lrange(orphans, 0, -1))
    lists += [f"batch:{batch.decode()}" for batch in batches]
    for name in lists:
        begin = 0
        while jobs := guarded(lambda name=name, at=begin: client.lrange(prefix + name, at, at + PAGE - 1)):
            yield [Entry(name, _key(job), "q") for job in jobs]
            begin += PAGE
    for name, state in (("due", "s"), ("doubt", "m"), ("kept", "XU")):
        begin = 0
        while keys := guarded(lambda name=name, at=begin: client.zrange(prefix + name, at, at + PAGE - 1)):
            yield [Entry(name, key.decode(), state) for key in keys]
            begin += PAGE


def _key(job: bytes) -> str:
    return job[KEY_AT].decode("ascii", "replace")
