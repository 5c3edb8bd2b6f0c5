"""The watermark: how far a process knows a partition's sequence to have come; Redis must know it too."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Watermark:
    """One process's, of one partition. Its calls may come from any thread.

    Replies of concurrent calls end in any order, so a lower number alone proves nothing. But what was told
    before a call began Redis must remember when it runs that call: `process` and `highest` go along with it,
    and the script compares. `fell` is called with what this process knew and what Redis remembered.
    """

    def __init__(self, process: str, fell: Callable[[int, int], None]) -> None:
        self.process = process
        self._fell = fell
        self._highest = 0
        self._fell_from = 0
        self._lock = threading.Lock()

    @property
    def highest(self) -> int:
        return self._highest

    def told(self, sequence: int, *, known: int, remembered: int | None) -> None:
        """A call that knew `known` has ended; `remembered` where Redis remembered less."""
        with self._lock:
            self._highest = max(self._highest, sequence)
            if remembered is None or known <= self._fell_from:  # several calls may be told of one fall
                return
            self._fell_from = known
        self._fell(known, remembered)
