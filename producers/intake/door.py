"""Who may come in: the client of a token, and what happens to a wrong one."""

from __future__ import annotations

import asyncio

import structlog
from starlette.requests import Request

from config.clients import Client
from config.intake import IntakeSettings
from listening.guesses import Guesses
from producers.intake.clients import Clients

log = structlog.get_logger("cmqueue.intake")


class Door:
    """The clients, and the memory of wrong tokens."""

    def __init__(self, settings: IntakeSettings) -> None:
        self.clients = Clients(settings)
        self._guesses = Guesses(settings.guess_seconds)

    def client_of(self, token: str | None) -> Client | None:
        return None if token is None else self.clients.of(token)

    async def turn_away(self, request: Request, *, status: int) -> None:
        """Tell the log of a wrong token, nothing of the token itself, and wait before it is answered."""
        peer = request.client.host if request.client else "unknown"
        wait = self._guesses.wrong(peer)
        log.warning("client.refused", peer=peer, status=status, waited=round(wait, 1))
        await asyncio.sleep(wait)
