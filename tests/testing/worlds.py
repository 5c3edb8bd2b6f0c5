"""Two worlds with the same rules: an outbox on a real server, and the double; and what workers do in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from outbox.inside import ANSWERED, LANES, Inside

from cmqueue import Outbox
from cmqueue.claim import Batch
from cmqueue.gate import GateRules
from cmqueue.job import Job
from cmqueue.settlement import Settlement
from cmqueue.testing import MemoryOutbox

FateOf = Callable[[str], Settlement]


class World(Protocol):
    """An outbox, and its workers and clock in a test's hand."""

    outbox: Outbox

    def settle(self, fate_of: FateOf) -> None:
        """A worker posts all that is queued; `fate_of` tells what becomes of the message with an id."""

    def post(self, id: str) -> None:
        """A worker begins to post one message, which is queued."""

    def prove(self, id: str, proof: Settlement) -> None:
        """An answer comes late."""

    def arrive(self) -> None:
        """All that is scheduled is due."""

    def end_doubt(self) -> None:
        """All doubt has lasted its time."""

    def expire(self) -> None:
        """All that waits in a lane is past its end."""


class RedisWorld:
    """The real one. Nobody is woken."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self._batches = 0
        outbox.waker.wake = lambda *_: True  # type: ignore[method-assign]

    def _insides(self) -> list[Inside]:
        found = [Inside(self.outbox, partition) for _, partition in self.outbox.registry.known().values()]
        for inside in found:
            self._batches += 100
            inside._batches = self._batches  # a claim under a known name gives that batch again
        return found

    def settle(self, fate_of: FateOf) -> None:
        for inside in self._insides():
            code = inside.partition.code
            for lane in LANES:
                batch = inside.claim(lane)
                if not isinstance(batch, Batch):
                    continue
                inside.mark(batch)
                jobs = map(Job.unpack, inside.partition.members(batch.id))
                fates = [fate_of(code + job.bucket + job.tail) for job in jobs]
                inside.partition.settle(batch.id, fates, ANSWERED, GateRules())

    def post(self, id: str) -> None:
        (inside,) = (inside for inside in self._insides() if inside.partition.code == id[:2])
        status = self.outbox.status(id)
        assert status is not None
        batch = inside.batch(status.lane)
        keys = [job.bucket + job.tail for job in map(Job.unpack, batch.jobs)]
        inside.mark(batch, *(key for key in keys if key != id[2:]))

    def prove(self, id: str, proof: Settlement) -> None:
        for inside in self._insides():
            if inside.partition.code == id[:2]:
                inside.partition.prove([(id[2:], proof)])

    def arrive(self) -> None:
        for inside in self._insides():
            inside.arrive()
            inside.sweep()

    def end_doubt(self) -> None:
        for inside in self._insides():
            inside.end_doubt()
            inside.sweep()

    def expire(self) -> None:
        for inside in self._insides():
            inside.expire()
            for lane in LANES:
                inside.partition.expire(lane, 0)


class MemoryWorld:
    """The double's."""

    def __init__(self, outbox: MemoryOutbox) -> None:
        self.outbox: Outbox = outbox
        self._memory = outbox
        self._kept = outbox._store.messages

    def settle(self, fate_of: FateOf) -> None:
        for id in [id for id, kept in self._kept.items() if kept.place == "list"]:
            self._memory.settle(id, fate_of(id))

    def post(self, id: str) -> None:
        self._memory.post(id)

    def prove(self, id: str, proof: Settlement) -> None:
        self._memory.settle(id, proof)

    def _end(self, place: str) -> None:
        for kept in self._kept.values():
            if kept.place == place:
                kept.at_ms = 1
        self._memory.advance(0)

    def arrive(self) -> None:
        self._end("due")

    def end_doubt(self) -> None:
        self._end("doubt")

    def expire(self) -> None:
        for kept in self._kept.values():
            if kept.place == "list":
                kept.row = kept.row._replace(expires_at=1)
        self._memory.advance(0)
