"""What a message takes of Redis while it waits and after it has ended; what a worker takes that drains."""

from __future__ import annotations

from benchmarks.drain import timed
from benchmarks.figures import Figures
from benchmarks.messages import SENDER, distinct, numbers, text
from benchmarks.scale import Scale
from benchmarks.stage import staged
from cmqueue import Content


def memory(scale: Scale) -> Figures:
    """Bytes of Redis per message and MiB of the worker, at each count; distinct messages, and a broadcast."""
    found: Figures = {}
    for count in scale.memory:
        found |= _distinct(count) | _broadcast(count)
    return found


def _distinct(count: int) -> Figures:
    with staged() as stage:
        stage.outbox.registry.agree()
        empty = stage.used()
        for _ in stage.outbox.enqueue_many(distinct(count), lane="bulk"):
            pass
        queued = stage.used() - empty
        drained = timed(stage, count, "drain", [stage.worker], lambda: stage.finished() == count)
        return {
            f"redis.distinct.queued.{count}": queued / count,
            f"redis.distinct.finished.{count}": (stage.used() - empty) / count,
            f"worker.memory.{count}": drained["memory_worker.drain"],
        }


def _broadcast(count: int) -> Figures:
    with staged() as stage:
        stage.outbox.registry.agree()
        empty = stage.used()
        stage.outbox.broadcast(Content(sender=SENDER, text=text(0)), numbers(count))
        return {f"redis.broadcast.queued.{count}": (stage.used() - empty) / count}
