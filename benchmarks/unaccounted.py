"""Our worker without its accounts: `celery -A benchmarks.unaccounted worker`, to measure what they cost.

It says nothing of a batch that went well, and settles one by forgetting it: in one round trip its jobs, its
facts and its lease go, and no row, no book, no release of content is written. All that comes before, the mark
included, is as ever. For measurements only: the books of its outbox are wrong afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import worker.drain
from cmqueue.claim import Batch
from cmqueue.partition import Partition
from cmqueue.settlement import Settlement
from worker.answer import Answer
from worker.celery import app
from worker.journal import Journal

__all__ = ["app"]


class Silent(Journal):
    """A journal that keeps quiet about what every batch goes through. It still tells what goes wrong."""

    def claimed(self, batch: Batch) -> None:
        """Nothing."""

    def posted(self, batch: Batch, answer: Answer, *, size: int, sent: int, tries: int) -> None:
        """Nothing."""

    def settled(self, batch: Batch, settlements: Sequence[Settlement]) -> None:
        """Nothing."""


def _forget(partition: Partition, id: str, *_: Any, **__: Any) -> int:
    """The least that ends a batch."""
    scripts, prefix = partition._scripts, partition.prefix  # noqa: SLF001 - what is left out lies inside
    pipe = scripts.client.pipeline(transaction=False)
    pipe.delete(f"{prefix}batch:{id}", f"{prefix}meta:{id}")
    pipe.zrem(f"{prefix}leases", id)
    scripts.guarded(pipe.execute)
    return 0


if vars(worker.drain).get("Journal") is not Journal:
    raise ImportError("the drain makes its journals by another name: nothing would be left out")
worker.drain.Journal = Silent  # type: ignore[attr-defined]  # by this name the drain makes its journals
Partition.settle = _forget  # type: ignore[assignment,method-assign]  # takes less, gives the same
