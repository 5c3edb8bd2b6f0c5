"""What a message takes of Redis while it waits and after it has ended; what a worker takes that drains."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figures
from benchmarks.messages import SENDER, distinct, numbers, text
from benchmarks.program import MIB
from benchmarks.scale import Scale
from benchmarks.stage import staged, wait_until
from cmqueue import Content


def memory(scale: Scale) -> Iterator[Figures]:
    """Bytes of Redis per message and MiB of the worker, at each count; distinct messages, and a broadcast."""
    for count in scale.memory:
        yield _distinct(count)
        yield _broadcast(count)


def _distinct(count: int) -> Figures:
    with staged() as stage:
        stage.outbox.registry.agree()
        empty = stage.used()
        for _ in stage.outbox.enqueue_many(distinct(count), lane="bulk"):
            pass
        queued = stage.used() - empty
        worker = stage.worker()
        wait_until(lambda: stage.finished() == count, [worker])
        worker.look()
        return {
            f"redis.distinct.queued.{count}": queued / count,
            f"redis.distinct.finished.{count}": (stage.used() - empty) / count,
            f"worker.memory.{count}": worker.most_memory / MIB,
        }


def _broadcast(count: int) -> Figures:
    with staged() as stage:
        stage.outbox.registry.agree()
        empty = stage.used()
        stage.outbox.broadcast(Content(sender=SENDER, text=text(0)), numbers(count))
        return {f"redis.broadcast.queued.{count}": (stage.used() - empty) / count}
