"""The receiver's log: what was taken and what was refused, in a line a second at most.

A line for each report would cost as much as taking it, and an outage would fill the disk.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import NoReturn

import structlog

from cmqueue.inlet import Kind

EVERY = 1.0  #: seconds

log = structlog.get_logger("cmqueue.receiver")


class Tally:
    """What has happened since the last line."""

    def __init__(self) -> None:
        self._taken: Counter[Kind] = Counter()
        self._refused: Counter[tuple[int, str]] = Counter()

    def taken(self, kind: Kind) -> None:
        self._taken[kind] += 1

    def refused(self, status: int, details: str) -> None:
        """`details` holds nothing that the caller wrote."""
        self._refused[status, details] += 1

    def tell(self) -> None:
        """The lines, where there is anything to say; then all is counted anew."""
        taken, self._taken = self._taken, Counter()
        refused, self._refused = self._refused, Counter()
        if taken:
            log.info("webhooks.taken", **{kind.value: count for kind, count in taken.items()})
        for (status, details), count in refused.items():
            log.warning("webhooks.refused", status=status, details=details, count=count)

    async def keep_telling(self) -> NoReturn:
        while True:
            await asyncio.sleep(EVERY)
            self.tell()
