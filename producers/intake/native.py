"""The native API under /v1: where messages stand, why, and taking them back. By id, as the log names them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import structlog
from pydantic_core import from_json, to_json
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from cmqueue import CmqueueError, Outbox
from cmqueue.identity import Identity
from config.clients import Client
from config.intake import IntakeSettings
from listening.body import read_body
from listening.head import check_head
from listening.room import Room
from listening.turned_down import TurnedDown
from producers.intake.clients import bearer_token
from producers.intake.door import Door
from producers.intake.problem import Kind, Problem
from producers.intake.request import ONCE

MOST_IDS = 1000
LONGEST_ID = 64  #: characters; an id has 26, and a longer one is none
RETRY_AFTER = "5"  #: seconds
NOT_FOUND = "not_found"  #: in the place of a state

log = structlog.get_logger("cmqueue.intake")

Run: TypeAlias = Callable[..., Awaitable[Any]]
Endpoint: TypeAlias = Callable[[Client, Request], Awaitable[dict[str, Any]]]


class Native:
    """The endpoints. `run` calls a function in a thread; `room` bounds how many requests are in the works."""

    def __init__(self, outbox: Outbox, settings: IntakeSettings, door: Door, room: Room, run: Run) -> None:
        self._outbox = outbox
        self._settings = settings
        self._door = door
        self._room = room
        self._run = run
        self._accounts: dict[str, str] = {}

    def routes(self) -> list[Route]:
        return [
            Route("/v1/messages/status", self._answering(self.states), methods=["POST"]),
            Route("/v1/messages/{id}", self._answering(self.status)),
            Route("/v1/messages/{id}/explain", self._answering(self.explain)),
            Route("/v1/messages/{id}/cancel", self._answering(self.cancel), methods=["POST"]),
        ]

    async def status(self, client: Client, request: Request) -> dict[str, Any]:
        """Where one message stands: as `cmqueue status --json` has it."""
        found = await self._run(self._outbox.status, await self._own(client, request))
        if found is None:
            raise _not_found()
        told: dict[str, Any] = found.as_json()
        return told

    async def explain(self, client: Client, request: Request) -> dict[str, Any]:
        """Why it is there, in a sentence or two."""
        found = await self._run(self._outbox.status, await self._own(client, request))
        if found is None:
            raise _not_found()
        return {"id": found.id, "state": found.state, "explanation": found.explain()}

    async def cancel(self, client: Client, request: Request) -> dict[str, Any]:
        """Take it back. It stays and can be asked about, so this is no DELETE; safe to repeat."""
        id = await self._own(client, request)
        match await self._run(self._outbox.cancel, id):
            case "cancelled":
                return {"id": id, "result": "cancelled"}
            case "too_late":
                raise Problem(Kind.TOO_LATE, "It may have been sent, or has ended; nothing was changed")
            case _:
                raise _not_found()

    async def states(self, client: Client, request: Request) -> dict[str, Any]:
        """Where up to a thousand stand, in the order asked, and how many in each state."""
        settings = self._settings
        body = await read_body(request, most=settings.intake_bytes, seconds=settings.intake_seconds)
        asked = _read_ids(body)
        found = await self._run(self._outbox.states, await self._own_among(client, asked))
        told = [NOT_FOUND if state is None else state.value for state in found]
        return {
            "messages": [{"id": id, "state": state} for id, state in zip(asked, told, strict=True)],
            "totals": dict(sorted(Counter(told).items())),
        }

    def _answering(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                document = await self._admitted(endpoint, request)
            except Problem as problem:
                return problem.response()
            return Response(to_json(document), 200, {"Cache-Control": "no-store"}, "application/json")

        return answer

    async def _admitted(self, endpoint: Endpoint, request: Request) -> dict[str, Any]:
        """What `endpoint` tells the client whose token the request has. Raises Problem, and nothing else."""
        try:
            check_head(request.scope["headers"], ONCE)
            client = await self._client(request)
            with self._room:
                return await endpoint(client, request)
        except Problem:
            raise
        except TurnedDown as refusal:
            raise Problem.of_refusal(refusal) from None
        except ClientDisconnect:
            raise Problem(Kind.BAD_REQUEST, "The body ended early") from None
        except CmqueueError:
            raise Problem(Kind.UNAVAILABLE, "The queue is not available", Retry_After=RETRY_AFTER) from None
        except Exception:
            log.exception("request.failed")
            raise Problem(Kind.INTERNAL, "Internal error") from None

    async def _client(self, request: Request) -> Client:
        token = bearer_token(request.headers)
        client = self._door.client_of(token)
        if client is None:
            if token is not None:
                await self._door.turn_away(request, status=Kind.UNAUTHORIZED.status)
            raise Problem(Kind.UNAUTHORIZED, "No client has this token", WWW_Authenticate="Bearer")
        return client

    async def _own(self, client: Client, request: Request) -> str:
        """The id that the path names, if it is one of the client's account; raises Problem (404)."""
        (id,) = await self._own_among(client, [request.path_params["id"]])
        if not id:
            raise _not_found()
        return id

    async def _own_among(self, client: Client, ids: list[str]) -> list[str]:
        """Those of `ids` that are messages of the client's account; an empty one in the place of each other.

        A partition that two accounts hold is nobody's.
        """
        parsed = [Identity.parse(id) for id in ids]
        codes = {identity.partition for identity in parsed if identity is not None}
        if codes - self._accounts.keys() or codes & self._outbox.registry.contested:
            known = await self._run(self._outbox.registry.known)
            self._accounts = {code: account for code, (account, _) in known.items()}
        return [
            "".join(identity)
            if identity is not None and self._accounts.get(identity.partition) == client.account
            else ""
            for identity in parsed
        ]


def _read_ids(body: bytes) -> list[str]:
    """The ids asked for; raises Problem (400)."""
    try:
        document = from_json(body)
    except ValueError:
        raise Problem(Kind.BAD_REQUEST, "The body is not valid JSON in UTF-8") from None
    ids = document.get("ids") if isinstance(document, dict) else None
    if not isinstance(ids, list) or not 1 <= len(ids) <= MOST_IDS:
        raise Problem(Kind.BAD_REQUEST, f"ids: a list of 1 to {MOST_IDS} is expected")
    if not all(isinstance(id, str) and len(id) <= LONGEST_ID for id in ids):
        raise Problem(Kind.BAD_REQUEST, f"ids: each is a string of {LONGEST_ID} characters at most")
    return ids


def _not_found() -> Problem:
    """One answer for all: that a message is another account's must not be told either."""
    return Problem(Kind.NOT_FOUND, "No message of yours has this id")
