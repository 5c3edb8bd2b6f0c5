"""An errand: work of the way back that a worker process does when there is some."""

from __future__ import annotations

import threading
from typing import Protocol


class Errand(Protocol):
    """Any number of processes may run the same errand at once; each run is at least once and idempotent."""

    @property
    def name(self) -> str:
        """One word, which the wake-up carries: `receive`, `handlers`, `callbacks`, `reconcile`."""

    def waiting(self) -> bool:
        """Whether there is work now: a cheap look at Redis. Raises OutboxUnavailable."""

    def run(self, stopping: threading.Event) -> None:
        """Work until nothing waits, for some seconds at most, or until `stopping` is set.

        Raises OutboxUnavailable; what was not finished is taken up again by a later run.
        """
