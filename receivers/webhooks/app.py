"""HTTP: one webhook, from its head to its answer.

200 with nothing in it says that Redis has it, and nothing else happens before. Whatever goes wrong in between
is answered 503, and CM tries again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cmqueue import Outbox, OutboxUnavailable
from cmqueue.inlet import Brought, Inlet, Kind
from config.receiver import ReceiverSettings
from listening.body import is_small, read_body
from listening.gather import Gathered, Gatherer
from listening.head import check_head
from listening.health import health_routes
from listening.room import NO_ROOM, Room
from listening.turned_down import TurnedDown
from receivers.webhooks.door import Door, Stranger
from receivers.webhooks.rate import Rate
from receivers.webhooks.tally import Tally
from receivers.webhooks.waking import Waking
from receivers.webhooks.webhook import got, methods_of, posted

MOST_AT_ONCE = 64  #: larger bodies in the works; more are told 503, so that memory stays bounded
RETRY_AFTER = 5  #: seconds, where Redis did not take it

log = structlog.get_logger("cmqueue.receiver")

Started = Callable[[], None]


class Receiver:
    """The HTTP application. `started` is called once, when webhooks are about to be served."""

    def __init__(self, settings: ReceiverSettings, outbox: Outbox, started: Started) -> None:
        self._settings = settings
        self._outbox = outbox
        self._started = started
        self._door = Door(settings)
        self._rate = Rate(settings.receiver_per_second)
        self._room = Room(MOST_AT_ONCE)
        self._tally = Tally()
        self._threads = ThreadPoolExecutor(1, "cmqueue-receiver")
        self._waking = Waking(outbox)
        self._gatherer = Gatherer(partial(_put, Inlet(outbox)), self._threads)

    def application(self) -> ASGIApp:
        routes = health_routes(self._outbox)
        health = Starlette(routes=routes, lifespan=self._life)
        beside = frozenset(route.path for route in routes)

        async def entrance(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] not in beside:
                answer = await self.webhook(Request(scope, receive))
                await answer(scope, receive, send)
            else:
                await health(scope, receive, send)

        return entrance

    @asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncIterator[None]:
        self._started()
        telling = asyncio.create_task(self._tally.keep_telling())
        yield
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._waking.close)
        self._tally.tell()

    async def webhook(self, request: Request) -> Response:
        """One request, whoever sent it."""
        try:
            kind = self._door.let_in(request)
            if request.method not in (allowed := methods_of(kind)):
                return self._refused(405, "This method is not taken", {"Allow": ", ".join(allowed)})
            await self._take(kind, request)
        except Stranger as stranger:
            await self._door.turn_away(request, stranger)
            return Response(status_code=stranger.status, headers=stranger.headers())
        except TurnedDown as refusal:
            return self._refused(refusal.status, refusal.details, refusal.headers())
        except ClientDisconnect:
            return self._refused(400, "The body ended early", {})
        except Exception:
            # Whatever it was: CM tries again, and the log has the place, without the path or the body.
            log.exception("webhook.failed")
            return self._refused(503, "Internal error", {"Retry-After": str(RETRY_AFTER)})
        self._tally.taken(kind)
        self._waking.wake()
        return Response()

    async def _take(self, kind: Kind, request: Request) -> None:
        """From its head into Redis. Raises TurnedDown before more is read than has to be."""
        check_head(request.scope["headers"])
        if not self._rate.spend():
            raise TurnedDown(503, "Too many webhooks a second", retry_after=1)
        query: bytes = request.scope["query_string"]
        if request.method == "GET":
            await self._queue(got(kind, query))
            return
        settings = self._settings
        with NO_ROOM if is_small(request) else self._room:
            body = await read_body(request, most=settings.receiver_bytes, seconds=settings.receiver_seconds)
            await self._queue(posted(kind, query, request.headers.get("content-type", ""), body))

    async def _queue(self, brought: Brought) -> None:
        """Into Redis, with all that come at the same time. Raises TurnedDown where it may not be there."""
        gathered = await self._gatherer.queue(None, [brought])
        if isinstance(gathered.error, OutboxUnavailable):
            raise TurnedDown(503, gathered.error.problem, retry_after=RETRY_AFTER)
        if gathered.error is not None:
            raise gathered.error

    def _refused(self, status: int, details: str, headers: dict[str, str]) -> Response:
        self._tally.refused(status, details)
        return Response(status_code=status, headers=headers)


def _put(inlet: Inlet, _way: None, items: Sequence[Brought]) -> Gathered[None]:
    """In a thread: all or none."""
    try:
        inlet.put(items)
    except Exception as error:  # noqa: BLE001 - each request says it in its own words
        return Gathered([], error)
    return Gathered([None] * len(items))
