"""cmqueue in FastAPI: a lifespan, a dependency, and answers for what the outbox raises.

app = FastAPI(lifespan=lifespan)
handle_errors(app)


@app.post("/signup")
async def signup(phone: str, outbox: OutboxDep) -> dict[str, str]:
    receipt = await outbox.enqueue({"sender": "Acme", "to": phone, "text": "Welcome"})
    return {"id": receipt.id}
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, cast

from fastapi import Depends, FastAPI, Request
from fastapi.requests import HTTPConnection
from fastapi.responses import JSONResponse

from cmqueue.async_outbox import AsyncOutbox
from cmqueue.errors import IdempotencyConflict, InvalidMessage, OutboxUnavailable
from cmqueue.log import log
from cmqueue.settings import LibrarySettings

RETRY_AFTER = "1"  #: seconds


@asynccontextmanager
async def lifespan(app: FastAPI, *, settings: LibrarySettings | None = None) -> AsyncIterator[None]:
    """Open the app's outbox, and close it with the app: `FastAPI(lifespan=lifespan)`, or inside your own.

    `settings` are the environment's where none are given. Raises SettingsError, and the app does not start.
    """
    async with AsyncOutbox(settings or LibrarySettings.from_env()) as outbox:
        app.state.cmqueue = outbox
        yield


def get_outbox(connection: HTTPConnection) -> AsyncOutbox:
    """The app's outbox: a dependency of HTTP routes and of websockets.

    A test puts another in its place: `app.dependency_overrides[get_outbox] = lambda: AsyncOutbox.of(memory)`.
    """
    found: AsyncOutbox | None = getattr(connection.app.state, "cmqueue", None)
    if found is None:
        raise RuntimeError("this app has no outbox: FastAPI(lifespan=cmqueue.integrations.fastapi.lifespan)")
    return found


OutboxDep = Annotated[AsyncOutbox, Depends(get_outbox)]


def handle_errors(app: FastAPI) -> None:
    """Answer 503 with Retry-After for OutboxUnavailable, 422 for InvalidMessage, 409 for IdempotencyConflict.

    No answer holds a value that was given. The 503 is logged as `enqueue.failed`.
    """
    app.add_exception_handler(OutboxUnavailable, _unavailable)
    app.add_exception_handler(InvalidMessage, _invalid)
    app.add_exception_handler(IdempotencyConflict, _conflict)


async def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    maybe = cast("OutboxUnavailable", error).maybe_enqueued
    log.error("enqueue.failed", error=type(error).__name__, maybe_enqueued=maybe)
    body = {"detail": "the message queue is not available", "maybe_enqueued": maybe}
    return JSONResponse(body, 503, {"Retry-After": RETRY_AFTER})


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    wrong = cast("InvalidMessage", error)
    told = {"field": wrong.field, "problem": wrong.problem, "rule": wrong.rule}
    return JSONResponse({"detail": told}, 422)


async def _conflict(_request: Request, error: Exception) -> JSONResponse:
    first = cast("IdempotencyConflict", error).id
    return JSONResponse({"detail": "this idempotency key belongs to another message", "id": first}, 409)
