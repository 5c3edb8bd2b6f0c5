"""A limit of messages per second, as a token bucket of one second's worth."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil


class Limiter:
    """Lets `rate` messages a second through. A request larger than the bucket passes and leaves a debt.

    `clock` is in seconds and only ever rises.
    """

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = rate
        self._at = clock()

    def wait_for(self, messages: int) -> int:
        """0 when so many messages may pass now, else the whole seconds to wait (Retry-After)."""
        now = self._clock()
        self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens > 0 or not messages:
            self._tokens -= messages
            return 0
        return max(1, ceil(-self._tokens / self._rate))
