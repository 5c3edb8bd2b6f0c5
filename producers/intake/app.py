"""HTTP: the paths, the limits of a request, and one log event for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmqueue import CmqueueError, Outbox
from config.intake import IntakeSettings
from producers.intake.accounts import Accounts
from producers.intake.answer import INTERNAL_ERROR, NO_ACCOUNT, Answer, refused
from producers.intake.intake import Taken, take
from producers.intake.request import MALFORMED, Refused

THREADS = 8
MOST_AT_ONCE = (
    64  #: requests in the works; more are refused, so that memory stays bounded while Redis is slow
)
IDS_PER_LINE = 400  #: container loggers cut lines at 16 KB

log = structlog.get_logger("cmqueue.intake")

Started = Callable[[], None]


class Intake:
    """The HTTP application. `started` is called once, when requests are about to be served."""

    def __init__(self, settings: IntakeSettings, outbox: Outbox, started: Started) -> None:
        self._settings = settings
        self._outbox = outbox
        self._started = started
        self._accounts = Accounts(settings.tokens)
        self._threads = ThreadPoolExecutor(THREADS, "cmqueue-intake")
        self._in_the_works = 0

    def application(self) -> Starlette:
        app = Starlette(
            routes=[
                Route("/v1.0/message", self.message, methods=["POST"]),
                Route("/health", self.health),
                Route("/ready", self.ready),
            ],
            exception_handlers={HTTPException: self.elsewhere},
            lifespan=self._life,
        )
        app.router.redirect_slashes = False
        return app

    @asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncIterator[None]:
        self._started()
        yield
        await asyncio.to_thread(self._threads.shutdown)

    async def message(self, request: Request) -> Response:
        """CM's own request."""
        began = time.monotonic()
        account = self._accounts.alias_of(request.headers.get("x-cm-producttoken"))
        self._in_the_works += 1
        try:
            taken = await self._take(request, account)
        except Refused as refusal:
            answer = refused(refusal)
            _tell(answer, account, began)
        except ClientDisconnect:
            answer = refused(Refused(MALFORMED, "The body ended early"))
            _tell(answer, account, began)
        except Exception:
            # Whatever it was: the caller gets an envelope, the log the place, neither of them the message.
            log.exception("request.failed", account=account)
            details = "Internal error; messages may have been queued"
            answer = refused(Refused(INTERNAL_ERROR, details, status=500))
        else:
            answer = taken.answer
            _tell(answer, account, began, taken)
        finally:
            self._in_the_works -= 1
        return _response(answer)

    async def _take(self, request: Request, account: str | None) -> Taken:
        if account is None:
            raise Refused(NO_ACCOUNT, "No account found for the given authentication")
        if self._in_the_works > MOST_AT_ONCE:
            raise Refused(
                INTERNAL_ERROR, "Too many requests at once; nothing was queued", status=503, retry_after=1
            )
        body = await self._body(request)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, take, self._outbox, account, request.headers, body)

    async def _body(self, request: Request) -> bytes:
        """The body, if it is neither too long nor too slow; raises Refused without having read it all."""
        most, seconds = self._settings.intake_bytes, self._settings.intake_seconds
        too_long = Refused(MALFORMED, f"The body is longer than {most} bytes", status=413)
        announced = request.headers.get("content-length", "0")
        if len(announced) > 15 or not announced.isdecimal() or int(announced) > most:
            raise too_long
        body = bytearray()
        try:
            async with asyncio.timeout(seconds):
                async for part in request.stream():
                    body += part
                    if len(body) > most:
                        raise too_long
        except TimeoutError:
            details = f"The body took longer than {seconds:g} seconds; nothing was queued"
            raise Refused(INTERNAL_ERROR, details, status=408) from None
        return bytes(body)

    async def health(self, _: Request) -> Response:
        """The process lives."""
        return JSONResponse({"alive": True})

    async def ready(self, _: Request) -> Response:
        """Redis answers and takes writes, so that messages can be queued."""
        try:
            await asyncio.to_thread(self._outbox.registry.agree)
        except CmqueueError:
            return JSONResponse({"ready": False}, 503, {"Retry-After": "1"})
        return JSONResponse({"ready": True})

    async def elsewhere(self, _: Request, error: Exception) -> Response:
        """A path that does not exist, or a method that one does not take."""
        assert isinstance(error, HTTPException)  # noqa: S101  # narrows the type, cannot fail
        answer = Answer(
            status=error.status_code,
            code=MALFORMED,
            details=error.detail,
            headers=dict(error.headers or {}),
        )
        _tell(answer, None, time.monotonic())
        return _response(answer)


def _tell(answer: Answer, account: str | None, began: float, taken: Taken | None = None) -> None:
    """The log event of a request: counts and ids, nothing of what was in it."""
    codes = answer.codes()
    accepted = codes.pop(0, 0)
    facts: dict[str, Any] = {
        "status": answer.status,
        "code": answer.code,
        "account": account,
        "accepted": accepted,
        "rejected": {str(code): count for code, count in sorted(codes.items())},
        "ms": round((time.monotonic() - began) * 1000, 1),
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
