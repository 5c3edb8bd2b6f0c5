"""What logging and accounting take of the drain: our worker beside the same worker without them.

Left out are the lines of each batch and all that `settle` writes; see `benchmarks.unaccounted`. The two take
turns, and the best round of each counts: what else the machine does makes a round slower, never faster.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.drain import LATENCIES, timed
from benchmarks.figures import Figures
from benchmarks.messages import distinct
from benchmarks.scale import Scale
from benchmarks.stage import staged

APPS = {"accounted": "worker", "unaccounted": "benchmarks.unaccounted"}


def share(scale: Scale) -> Iterator[Figures]:
    """Messages per second of both, one process, full batches, at each latency of the endpoint."""
    for latency in LATENCIES:
        best: dict[str, Figures] = {}
        for _ in range(scale.rounds):
            for kind, app in APPS.items():
                name = f"share.{latency}ms.{kind}"
                found = _round(scale.share, latency, name, app)
                if name not in best or found[name] > best[name][name]:
                    best[name] = found
        yield from best.values()


def _round(count: int, latency: int, name: str, app: str) -> Figures:
    with staged(latency_ms=latency) as stage:
        for _ in stage.outbox.enqueue_many(distinct(count), lane="bulk"):
            pass
        return timed(stage, count, name, [lambda: stage.worker(app)], lambda: stage.leased() == 0)
