"""HTTP: the paths, the limits of a request, and one log event for each.

Plain Starlette, and for CM's path not even its router. The request is read by us (CM's keys come in any case,
and a bad message must not spoil a good one), so a framework that validates would do all of it twice; the
description in `openapi` is written by hand for the same reason, and a fuzzer holds the two together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cmqueue import Outbox
from config.clients import Client
from config.intake import IntakeSettings
from listening.body import is_small, read_body
from listening.gather import Gathered, Gatherer
from listening.head import check_head
from listening.health import health_routes
from listening.room import NO_ROOM, Room
from listening.turned_down import TurnedDown
from producers.intake import page
from producers.intake.answer import INTERNAL_ERROR, NO_ACCOUNT, Answer, refused
from producers.intake.clients import body_token, header_token
from producers.intake.door import Door
from producers.intake.intake import Taken, answered, queue, read, take
from producers.intake.native import Native
from producers.intake.openapi import document
from producers.intake.pace import Pace
from producers.intake.problem import Problem
from producers.intake.request import MALFORMED, ONCE, Refused, read_document
from producers.intake.way import enqueue

MESSAGE_PATH = "/v1.0/message"
NATIVE_PATH = "/v1/"

THREADS = 8
GATHERING = 4  #: threads for the calls that small requests share, one for each account and lane at a time
MOST_AT_ONCE = 64  #: larger requests of clients in the works; more are refused, so that memory stays bounded
MOST_UNPROVEN = 32  #: larger bodies that are read for the token in them, of peers that may be anybody
IDS_PER_LINE = 400  #: container loggers cut lines at 16 KB

log = structlog.get_logger("cmqueue.intake")

Started = Callable[[], None]


class _Unknown(Refused):
    """The request has no token, or one of no client."""

    def __init__(self) -> None:
        super().__init__(NO_ACCOUNT, "No account found for the given authentication")


class _Asking:
    """One request of CM's: whose it is, once that is known, and since when it is in the works."""

    __slots__ = ("began", "client", "token_given")

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.client: Client | None = None
        self.token_given = False


class Intake:
    """The HTTP application. `started` is called once, when requests are about to be served."""

    def __init__(self, settings: IntakeSettings, outbox: Outbox, started: Started) -> None:
        self._settings = settings
        self._outbox = outbox
        self._started = started
        self._door = Door(settings)
        self._pace = Pace(outbox)
        self._threads = ThreadPoolExecutor(THREADS, "cmqueue-intake")
        self._gathering = ThreadPoolExecutor(GATHERING, "cmqueue-gathering")
        self._gatherer = Gatherer(partial(enqueue, outbox), self._gathering)
        self._room = Room(MOST_AT_ONCE)
        self._unproven = Room(MOST_UNPROVEN)

    def application(self) -> ASGIApp:
        native = Native(self._outbox, self._settings, self._door, self._room, self._in_thread)
        described = document(self._settings)
        app = Starlette(
            routes=[
                Route(MESSAGE_PATH, self.message, methods=["POST"]),
                *native.routes(),
                *health_routes(self._outbox),
                *page.routes(described),
            ],
            exception_handlers={HTTPException: self.elsewhere},
            lifespan=self._life,
        )
        app.router.redirect_slashes = False

        async def entrance(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] == MESSAGE_PATH and scope["method"] == "POST":
                answer = await self.message(Request(scope, receive))
                await answer(scope, receive, send)
            else:
                await app(scope, receive, send)

        return entrance

    @asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncIterator[None]:
        self._started()
        yield
        for threads in (self._threads, self._gathering):
            await asyncio.to_thread(threads.shutdown)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def message(self, request: Request) -> Response:
        """CM's own request."""
        asking = _Asking()
        try:
            taken = await self._taken(asking, request)
        except _Unknown as refusal:
            answer = refused(refusal)
            if asking.token_given:
                await self._door.turn_away(request, status=answer.status)
            else:
                _tell(answer, asking)
        except TurnedDown as refusal:
            answer = refused(refusal)
            _tell(answer, asking)
        except ClientDisconnect:
            answer = refused(Refused(MALFORMED, "The body ended early"))
            _tell(answer, asking)
        except Exception:
            # Whatever it was: the caller gets an envelope, the log the place, neither of them the message.
            log.exception("request.failed", client=asking.client and asking.client.name)
            details = "Internal error; messages may have been queued"
            answer = refused(Refused(INTERNAL_ERROR, details, status=500))
        else:
            answer = taken.answer
            _tell(answer, asking, taken)
        return _response(answer)

    async def _taken(self, asking: _Asking, request: Request) -> Taken:
        """A token in the header is judged before the body is read; one in the body takes another room."""
        check_head(request.scope["headers"], ONCE)
        token = header_token(request.headers)
        small = is_small(request)
        if token is None:
            with NO_ROOM if small else self._unproven:
                body = await self._body(request)
        else:
            asking.token_given = True
            asking.client = self._door.client_of(token)
            if asking.client is None:
                raise _Unknown
        with NO_ROOM if small else self._room:
            if token is not None:
                body = await self._body(request)
            if small:
                return await self._take_with_others(asking, request.headers, body)
            taken: Taken = await self._in_thread(self._take, asking, request.headers, body)
            return taken

    async def _body(self, request: Request) -> bytes:
        settings = self._settings
        return await read_body(request, most=settings.intake_bytes, seconds=settings.intake_seconds)

    async def _take_with_others(self, asking: _Asking, headers: Mapping[str, str], body: bytes) -> Taken:
        """A small request is read at once, and goes into the outbox with those that come at the same time."""
        client, parsed = self._opened(asking, body)
        reading = read(client, headers, parsed)
        if client.per_second is not None and reading.asked:
            await self._in_thread(self._pace.spend, client, len(reading.asked), time.monotonic())
        if reading.crowded:
            queued = await self._in_thread(queue, self._outbox, reading)
        elif reading.asked:
            queued = await self._gatherer.queue(reading.way, [one.fields() for one in reading.asked])
        else:
            queued = Gathered([])
        return answered(reading, queued)

    def _take(self, asking: _Asking, headers: Mapping[str, str], body: bytes) -> Taken:
        """In a thread: a large one."""
        client, parsed = self._opened(asking, body)
        return take(self._outbox, client, headers, parsed, self._pace.spend)

    def _opened(self, asking: _Asking, body: bytes) -> tuple[Client, object]:
        """The client, by the token in the JSON where none came before, and the JSON."""
        parsed = read_document(body)
        if asking.client is None:
            token = body_token(parsed)
            asking.token_given = token is not None
            asking.client = self._door.client_of(token)
            if asking.client is None:
                raise _Unknown
        return asking.client, parsed

    async def elsewhere(self, request: Request, error: Exception) -> Response:
        """A path that does not exist, or a method that one does not take."""
        assert isinstance(error, HTTPException)  # noqa: S101  # narrows the type, cannot fail
        headers = dict(error.headers or {})
        answer = Answer(status=error.status_code, code=MALFORMED, details=error.detail, headers=headers)
        _tell(answer, _Asking())
        if request.url.path.startswith(NATIVE_PATH):
            return Problem.of_status(error.status_code, error.detail, headers).response()
        return _response(answer)


def _tell(answer: Answer, asking: _Asking, taken: Taken | None = None) -> None:
    """The log event of a request: counts and ids, nothing of what was in it."""
    codes = answer.codes()
    accepted = codes.pop(0, 0)
    client = asking.client
    facts: dict[str, Any] = {
        "status": answer.status,
        "code": answer.code,
        "client": client and client.name,
        "account": client and client.account,
        "accepted": accepted,
        "rejected": {str(code): count for code, count in sorted(codes.items())},
        "ms": round((time.monotonic() - asking.began) * 1000, 1),
    }
    if taken is None:
        log.warning("request.refused", details=answer.details, **facts)
        return
    ids = [receipt.id for receipt in taken.receipts]
    facts["lane"] = taken.lane
    facts["duplicates"] = sum(receipt.duplicate for receipt in taken.receipts)
    event = "request.accepted" if answer.status < 400 else "request.refused"
    log.info(event, **facts, ids=ids[:IDS_PER_LINE])
    for begin in range(IDS_PER_LINE, len(ids), IDS_PER_LINE):
        log.info("request.continued", ids=ids[begin : begin + IDS_PER_LINE])


def _response(answer: Answer) -> Response:
    return Response(answer.body(), answer.status, answer.headers, "application/json")
