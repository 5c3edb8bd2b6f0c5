"""The messages of a partition that nobody knows about, as Redis has them, each read whole but once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from cmqueue.connection import Scripts
from cmqueue.job import Job, UnknownFormat
from cmqueue.partition import Partition
from cmqueue.row import Row
from cmqueue.state import State
from receivers.reconcile.schedule import HORIZON, Doubt

MOST = 10_000  #: of a partition, at one look: as many as the default of CMQUEUE_MAX_AMBIGUOUS
_PAGE = 500


class Doubts:
    """Reads one partition. `retention` is CMQUEUE_DEAD_RETENTION_SECONDS. Raises OutboxUnavailable."""

    def __init__(self, scripts: Scripts, partition: Partition, retention: float) -> None:
        self._scripts = scripts
        self._partition = partition
        self._retention = retention
        self._known: dict[tuple[str, float], Doubt | None] = {}  # by key, and when its place there ends

    def now(self) -> float:
        """Redis's clock."""
        seconds, micros = self._scripts.guarded(self._scripts.client.time)
        return float(seconds) + float(micros) / 1e6

    def count(self) -> tuple[int, int]:
        """How many are in doubt, and how many dead or unknown ended within the horizon: a cheap look."""
        prefix, now = self._partition.prefix, self.now()
        pipe = self._scripts.client.pipeline(transaction=False)
        pipe.zcard(prefix + "doubt")
        pipe.zcount(prefix + "kept", self._oldest(now), "+inf")
        doubt, kept = self._scripts.guarded(pipe.execute)
        return int(doubt), int(kept)

    def read(self) -> list[Doubt]:
        """Those in doubt, the first to end first, and those that became unknown within the horizon."""
        prefix, now = self._partition.prefix, self.now()
        pipe = self._scripts.client.pipeline(transaction=False)
        pipe.zrange(prefix + "doubt", 0, MOST - 1, withscores=True)
        pipe.zrevrangebyscore(prefix + "kept", "+inf", self._oldest(now), 0, MOST, withscores=True)
        doubt, kept = self._scripts.guarded(pipe.execute)
        places = [(key.decode(), score) for key, score in (*doubt, *kept)]
        missing = iter([place for place in places if place not in self._known])
        known = {place: self._known[place] for place in places if place in self._known}
        while page := list(islice(missing, _PAGE)):
            known.update(self._fetched(page))
        self._known = known
        return [found for place in places if (found := known.get(place)) is not None]

    def _oldest(self, now: float) -> float:
        """The score in `kept` of what ended at the horizon."""
        return (now + self._retention - HORIZON) * 1000

    def _fetched(self, places: list[tuple[str, float]]) -> Iterator[tuple[tuple[str, float], Doubt | None]]:
        prefix = self._partition.prefix
        pipe = self._scripts.client.pipeline(transaction=False)
        pipe.hmget(prefix + "jobs", [key for key, _ in places])
        for key, _ in places:
            pipe.hget(f"{prefix}rows:{key[:4]}", key[4:])
        jobs, *rows = self._scripts.guarded(pipe.execute)
        for place, job, row in zip(places, jobs, rows, strict=True):
            if job is not None and row is not None:  # else it moved a moment ago
                yield place, self._doubt(place, job, row)

    def _doubt(self, place: tuple[str, float], packed: bytes, row: bytes) -> Doubt | None:
        """None where it is dead, or of another version's format."""
        key, score = place
        try:
            job, read = Job.unpack(packed), Row.unpack(row)
        except (UnknownFormat, KeyError):
            return None
        if read.state not in (State.AMBIGUOUS, State.UNKNOWN):
            return None
        reference = self._partition.code + job.bucket + job.random
        ends = score / 1000 if read.state is State.AMBIGUOUS else None
        began = read.history[-1].at
        sent = min([entry.at for entry in read.history if entry.state is State.AMBIGUOUS], default=began)
        return Doubt(key, reference, job.number, float(sent), float(began), ends)
