"""How many webhooks a second one process takes."""

from __future__ import annotations

import time
from collections.abc import Callable


class Rate:
    """A second's worth at once, then evenly. `now` gives the seconds of a clock that never goes back."""

    def __init__(self, per_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._now = now
        self._left = float(per_second)
        self._at = now()

    def spend(self) -> bool:
        """Whether one more is in it; then it is booked."""
        now = self._now()
        self._left = min(self._left + (now - self._at) * self._per_second, self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
