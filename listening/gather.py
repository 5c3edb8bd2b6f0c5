"""Requests that come together go in together: a call into Redis takes all that have come meanwhile.

A request that comes while nothing is under way goes at once. While a call is under way, what comes waits for
the next one: the busier the program, the more requests share a call, a round trip and a thread. Each keeps
its own results, its own refusals, and its own word on what a failure may have left there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import Generic, NamedTuple, TypeVar

MOST = 1000  #: items of a call: what goes into Redis in one step

W = TypeVar("W", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")


class Gathered(NamedTuple, Generic[R]):
    """A result for each item; where there was an `error`, of as many as were done before."""

    results: list[R]
    error: Exception | None = None


class _Part(NamedTuple, Generic[T, R]):
    """The items of one request, and who waits to be told."""

    items: Sequence[T]
    told: asyncio.Future[Gathered[R]]


class Gatherer(Generic[W, T, R]):
    """Gathers items for `call`, which runs in `threads`, for one way (what shares a call) once at a time."""

    def __init__(self, call: Callable[[W, Sequence[T]], Gathered[R]], threads: Executor) -> None:
        self._call = call
        self._threads = threads
        self._waiting: dict[W, deque[_Part[T, R]]] = {}

    async def queue(self, way: W, items: Sequence[T]) -> Gathered[R]:
        """Queue the items of one request; it never raises what the call does, but returns it."""
        part: _Part[T, R] = _Part(items, asyncio.get_running_loop().create_future())
        waiting = self._waiting.get(way)
        if waiting is not None:  # a call of this way is under way
            waiting.append(part)
        else:
            self._waiting[way] = deque()
            self._begin(way, [part])
        return await part.told

    def _begin(self, way: W, parts: list[_Part[T, R]]) -> None:
        items = parts[0].items if len(parts) == 1 else [one for part in parts for one in part.items]
        loop = asyncio.get_running_loop()
        try:
            called = self._threads.submit(self._call, way, items)
        except RuntimeError as error:  # no thread can be started; those who wait must hear of it all the same
            called = Future()
            called.set_exception(error)
        called.add_done_callback(lambda done: loop.call_soon_threadsafe(partial(self._end, way, parts, done)))

    def _end(self, way: W, parts: list[_Part[T, R]], done: Future[Gathered[R]]) -> None:
        """In the loop again: begin the next call, then tell of this one."""
        waiting = self._waiting[way]
        if waiting:
            self._begin(way, _next(waiting))
        else:
            del self._waiting[way]
        try:
            gathered = done.result()
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody may wait for ever
            gathered = Gathered([], error)
        begin = 0
        for part in parts:
            own = gathered.results[begin : begin + len(part.items)]
            begin += len(part.items)
            if not part.told.done():  # its request may have been cancelled
                part.told.set_result(Gathered(own, None if len(own) == len(part.items) else gathered.error))


def _next(waiting: deque[_Part[T, R]]) -> list[_Part[T, R]]:
    """The parts of the next call: in their order, as many as fit, one at least."""
    parts = [waiting.popleft()]
    room = MOST - len(parts[0].items)
    while waiting and len(waiting[0].items) <= room:
        room -= len(waiting[0].items)
        parts.append(waiting.popleft())
    return parts
