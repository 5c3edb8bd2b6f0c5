"""Requests that come together go in together: a call of the outbox takes all that have come meanwhile.

A request that comes while nothing is under way goes at once. While a call is under way, what comes waits for
the next one: the busier the intake, the more requests share a call, a round trip and a thread. Each keeps its
own results, its own refusals, and its own word on what a failure may have queued.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from cmqueue import Outbox, Receipt, Refusal
from cmqueue.lane import Lane

MOST = 1000  #: messages of a call: what goes into Redis in one step

Fields = Mapping[str, Any]


class Way(NamedTuple):
    """What messages must have in common to share a call."""

    account: str
    lane: Lane
    send_at: datetime | None
    expires_in: float | None


class Queued(NamedTuple):
    """A result for each message; where there was an `error`, of as many as were done before."""

    results: list[Receipt | Refusal]
    error: Exception | None = None


class _Part(NamedTuple):
    """The messages of one request, and who waits to be told."""

    messages: Sequence[Fields]
    told: asyncio.Future[Queued]


Enqueue = Callable[[Way, Sequence[Fields]], Queued]


class Gatherer:
    """Gathers messages for `enqueue`, which is called in `threads`, for one way once at a time."""

    def __init__(self, enqueue: Enqueue, threads: Executor) -> None:
        self._enqueue = enqueue
        self._threads = threads
        self._waiting: dict[Way, deque[_Part]] = {}

    async def queue(self, way: Way, messages: Sequence[Fields]) -> Queued:
        """Queue the messages of one request; it never raises what the outbox does, but returns it."""
        part = _Part(messages, asyncio.get_running_loop().create_future())
        waiting = self._waiting.get(way)
        if waiting is not None:  # a call of this way is under way
            waiting.append(part)
        else:
            self._waiting[way] = deque()
            self._begin(way, [part])
        return await part.told

    def _begin(self, way: Way, parts: list[_Part]) -> None:
        messages = parts[0].messages if len(parts) == 1 else [one for part in parts for one in part.messages]
        loop = asyncio.get_running_loop()
        try:
            called = self._threads.submit(self._enqueue, way, messages)
        except RuntimeError as error:  # no thread can be started; those who wait must hear of it all the same
            called = Future()
            called.set_exception(error)
        called.add_done_callback(lambda done: loop.call_soon_threadsafe(partial(self._end, way, parts, done)))

    def _end(self, way: Way, parts: list[_Part], done: Future[Queued]) -> None:
        """In the loop again: begin the next call, then tell of this one."""
        waiting = self._waiting[way]
        if waiting:
            self._begin(way, _next(waiting))
        else:
            del self._waiting[way]
        try:
            queued = done.result()
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody may wait for ever
            queued = Queued([], error)
        begin = 0
        for part in parts:
            own = queued.results[begin : begin + len(part.messages)]
            begin += len(part.messages)
            if not part.told.done():  # its request may have been cancelled
                part.told.set_result(Queued(own, None if len(own) == len(part.messages) else queued.error))


def _next(waiting: deque[_Part]) -> list[_Part]:
    """The parts of the next call: in their order, as many as fit, one at least."""
    parts = [waiting.popleft()]
    room = MOST - len(parts[0].messages)
    while waiting and len(waiting[0].messages) <= room:
        room -= len(waiting[0].messages)
        parts.append(waiting.popleft())
    return parts


def enqueue(outbox: Outbox, way: Way, messages: Sequence[Fields]) -> Queued:
    """Queue messages in one call of the outbox, two where they are very long."""
    results: list[Receipt | Refusal] = []
    try:
        results.extend(
            outbox.enqueue_many(
                messages, lane=way.lane, account=way.account, send_at=way.send_at, expires_in=way.expires_in
            )
        )
    except Exception as error:  # noqa: BLE001 - each request is told of it in its own words
        return Queued(results, error)
    return Queued(results)
