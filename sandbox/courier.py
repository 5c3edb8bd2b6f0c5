"""Tells receivers what happens, and again until they have taken it, as CM does.

    told             taken means       tried again
    status reports   exactly 200       every 5 minutes, for 7 days
    inbound          exactly 200       every 5 minutes, for 30 days
    events           200 to 299        every 5 minutes, for 7 days

CM says of status reports only that it tries "periodically"; the interval is that of inbound messages, and its
success is read as strictly. `speed` shortens intervals and days alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, fields
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from sandbox.caller import Call, Caller
from sandbox.webhooks import Webhooks

_WORKERS = 16
_INTERVAL = 300.0
_DAY = 86400.0


class Service(NamedTuple):
    """What CM promises for one kind of news: the setting that holds its URL, its success, its patience."""

    setting: str
    success: Callable[[int], bool]
    patience: float


SERVICES = {
    "status": Service("status_url", lambda status: status == 200, 7 * _DAY),
    "inbound": Service("inbound_url", lambda status: status == 200, 30 * _DAY),
    "event": Service("event_url", lambda status: 200 <= status < 300, 7 * _DAY),
}


@dataclass(slots=True)
class Parcel:
    """One thing to tell. `call` makes the request for a URL; `tried` is set after the first try."""

    kind: str
    call: Callable[[str], Call]
    tried: asyncio.Future[None] | None = None
    began: float | None = None  #: of the first try, on the loop's clock

    def release(self) -> None:
        """Let go on whoever waited for the first try."""
        if self.tried is not None and not self.tried.done():
            self.tried.set_result(None)


@dataclass(slots=True)
class Tally:
    """What became of one kind of news. `sent` are tries, `retried` those of them that were not the first."""

    waiting: int = 0
    sent: int = 0
    acknowledged: int = 0
    retried: int = 0
    given_up: int = 0
    overflowed: int = 0


class Courier:
    """Holds parcels until they are due, and brings them. Must be made inside a running loop."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks
        self._loop = asyncio.get_running_loop()
        self._order = count()
        self._tasks: list[asyncio.Task[None]] = []
        self._begin()

    def reset(self) -> None:
        """Forget all parcels and counts."""
        for task in self._tasks:
            task.cancel()
        for _, _, parcel in self._due:
            parcel.release()
        while not self._ready.empty():
            self._ready.get_nowait().release()
        self._begin()

    def counts(self) -> dict[str, dict[str, int]]:
        """A tally for each kind of news."""
        return {
            kind: {name.name: getattr(tally, name.name) for name in fields(Tally)}
            for kind, tally in self._tallies.items()
        }

    def take(self, parcel: Parcel, *, after: float = 0.0) -> bool:
        """Bring `parcel` in so many seconds; whether there was room for it."""
        tally = self._tallies[parcel.kind]
        if sum(other.waiting for other in self._tallies.values()) >= self._webhooks.hold:
            tally.overflowed += 1
            return False
        if not self._tasks:
            self._tasks = [self._loop.create_task(self._work()) for _ in range(_WORKERS)]
            self._tasks.append(self._loop.create_task(self._dispatch()))
        tally.waiting += 1
        self._put(parcel, self._loop.time() + after)
        return True

    def _begin(self) -> None:
        self._tasks = []
        self._due: list[tuple[float, int, Parcel]] = []
        self._ready: asyncio.Queue[Parcel] = asyncio.Queue()
        self._sooner = asyncio.Event()
        self._tallies = {kind: Tally() for kind in SERVICES}

    def _put(self, parcel: Parcel, at: float) -> None:
        heappush(self._due, (at, next(self._order), parcel))
        if self._due[0][2] is parcel:
            self._sooner.set()

    async def _dispatch(self) -> None:
        while True:
            now = self._loop.time()
            while self._due and self._due[0][0] <= now:
                self._ready.put_nowait(heappop(self._due)[2])
            self._sooner.clear()
            wait = self._due[0][0] - now if self._due else None
            try:
                await asyncio.wait_for(self._sooner.wait(), wait)
            except TimeoutError:
                continue

    async def _work(self) -> None:
        caller = Caller()
        while True:
            parcel = await self._ready.get()
            await self._bring(parcel, caller)

    async def _bring(self, parcel: Parcel, caller: Caller) -> None:
        service, tally, settings = SERVICES[parcel.kind], self._tallies[parcel.kind], self._webhooks
        url = getattr(settings, service.setting)
        taken = False
        if url is not None:
            tally.sent += 1
            tally.retried += parcel.began is not None
            parcel.began = parcel.began or self._loop.time()
            try:
                status = await caller.status(parcel.call(url), settings.timeout)
            finally:
                parcel.release()
            taken = status is not None and service.success(status)
        parcel.release()
        if taken:
            tally.waiting -= 1
            tally.acknowledged += 1
            return
        again = self._loop.time() + _INTERVAL / settings.speed
        if parcel.began is None or again > parcel.began + service.patience / settings.speed:
            tally.waiting -= 1
            tally.given_up += 1
            return
        self._put(parcel, again)
