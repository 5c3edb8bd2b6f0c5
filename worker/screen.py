"""The screen: what the mark holds against the suppression list, so that nobody is written to who is on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cmqueue.claim import Batch
from cmqueue.job import earliest_expiry
from cmqueue.lane import Lane
from cmqueue.mark import Marked
from cmqueue.partition import EXEMPT, UNSCREENED, Partition
from cmqueue.registry import Registry
from cmqueue.suppression import screens

#: Between two tries the batch changes only by what they take out of it.
TRIES = 3


class Screen:
    """One partition's. While its list is empty a mark costs nothing more; from its first entry on each mark
    carries the hashes of its numbers, in the same round trip.
    """

    def __init__(self, registry: Registry, exempt: frozenset[Lane]) -> None:
        self._registry = registry
        self._exempt = exempt
        self._listed = False

    def mark(
        self,
        partition: Partition,
        batch: Batch,
        contents: Mapping[bytes, bytes],
        *,
        lease: float,
        give_back: Sequence[str],
    ) -> Marked:
        """Mark the batch; `contents` are those shared by its jobs. Raises OutboxUnavailable."""
        jobs = batch.jobs
        for _ in range(TRIES):
            marked = partition.mark(
                batch.id,
                lease=lease,
                earliest_expiry=earliest_expiry(batch.jobs),
                give_back=give_back,
                screens=self._of(batch.lane, jobs, contents),
            )
            if not marked.unscreened:
                return marked
            self._listed = True
            jobs = partition.members(batch.id)
        return Marked(None)

    def _of(self, lane: Lane, jobs: Sequence[bytes], contents: Mapping[bytes, bytes]) -> bytes:
        if lane in self._exempt:
            return EXEMPT
        if not self._listed:
            return UNSCREENED
        return screens(jobs, contents, self._registry.suppression_key)
