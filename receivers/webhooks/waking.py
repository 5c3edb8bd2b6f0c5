"""Waking the errand that reads what was brought: beside the requests, which it neither delays nor fails."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor

from cmqueue import Outbox

ERRAND = "receive"
EVERY = 0.05  #: seconds: in a burst it is woken so often, not for each webhook


class Waking:
    """At once where it was quiet. Where it fails, the workers find the work by themselves within a second."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._thread = ThreadPoolExecutor(1, "cmqueue-waking")
        self._last = -EVERY
        self._timer: asyncio.TimerHandle | None = None
        self._under_way: Future[bool] | None = None

    def wake(self) -> None:
        """In the loop: now or a moment later."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(self._last + EVERY, loop.time()), self._begin)

    def close(self) -> None:
        """Let the last one end."""
        if self._timer is not None:
            self._timer.cancel()
        self._thread.shutdown()

    def _begin(self) -> None:
        self._timer = None
        self._last = asyncio.get_running_loop().time()
        if self._under_way is None or self._under_way.done():
            self._under_way = self._thread.submit(self._outbox.wake_errand, ERRAND)
