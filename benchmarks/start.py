"""How soon a worker that starts has claimed, seconds; what one takes that is idle, per cent of a core."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.figures import Figures
from benchmarks.messages import distinct
from benchmarks.scale import Scale
from benchmarks.stage import START_PATIENCE, staged, wait_until

SETTLING = 2.0  #: seconds that the worker is left alone after its first drain


def start(scale: Scale) -> Iterator[Figures]:
    """From the start of the process to its first message on the wire; then idle."""
    with staged(arrivals=True) as stage:
        for _ in stage.outbox.enqueue_many(distinct(1000), lane="bulk"):
            pass
        worker = stage.worker()
        wait_until(lambda: stage.posted() == 1000, [worker], patience=START_PATIENCE)
        first = min(stage.sandbox.arrivals().values())
        time.sleep(SETTLING)
        before, began = worker.cpu(), time.perf_counter()
        time.sleep(scale.idle)
        idle = (worker.cpu() - before) / (time.perf_counter() - began)
    yield {"start.first": first - worker.began, "start.idle": idle * 100}
