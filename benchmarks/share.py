"""What logging and accounting take of the drain: our worker beside the same worker without them.

Left out are the lines of each batch and all that `settle` writes; see `benchmarks.unaccounted`. The two take
turns, and the best round of each counts: what else the machine does makes a round slower, never faster.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.drain import timed
from benchmarks.figures import Figures
from benchmarks.messages import distinct
from benchmarks.scale import Scale
from benchmarks.stage import staged

APPS = {"share.accounted": "worker", "share.unaccounted": "benchmarks.unaccounted"}


def share(scale: Scale) -> Iterator[Figures]:
    """Messages per second of both, one process, full batches, an endpoint that answers at once."""
    best: dict[str, Figures] = {}
    for _ in range(scale.rounds):
        for name, app in APPS.items():
            found = _round(scale.share, name, app)
            if name not in best or found[name] > best[name][name]:
                best[name] = found
    for found in best.values():
        yield found


def _round(count: int, name: str, app: str) -> Figures:
    with staged() as stage:
        for _ in stage.outbox.enqueue_many(distinct(count), lane="bulk"):
            pass
        return timed(stage, count, name, [lambda: stage.worker(app)], lambda: stage.leased() == 0)
