"""Who may come in: by where a request comes from, its secret, and its user and password.

In this order, so that a stranger learns nothing of a secret, not even that it is right.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac

import structlog
from starlette.requests import Request

from cmqueue.inlet import Kind
from config.receiver import ReceiverSettings
from listening.guesses import Guesses
from listening.turned_down import TurnedDown
from receivers.webhooks.sources import came_from, may_come
from receivers.webhooks.webhook import address_of

log = structlog.get_logger("cmqueue.receiver")


class Stranger(TurnedDown):
    """Not let in. One answer for a wrong secret and for a path that does not exist: 404."""

    def headers(self) -> dict[str, str]:
        found = super().headers()
        if self.status == 401:
            found["WWW-Authenticate"] = 'Basic realm="cmqueue"'
        return found


class Door:
    """The sources, the secrets, and the memory of wrong ones."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._sources = settings.receiver_sources
        self._proxies = settings.receiver_proxies
        # Hashed, so that all are of one length and the comparison tells nothing of it.
        self._secrets = [_digest(secret.encode()) for secret in settings.receiver_secrets or ()]
        self._basic = None if settings.receiver_basic is None else _digest(settings.receiver_basic.encode())
        self._guesses = Guesses(settings.receiver_guess_seconds)

    def let_in(self, request: Request) -> Kind:
        """What the request brings, if it may come in. Raises Stranger."""
        if self._sources is not None and not may_come(self._came_from(request), self._sources):
            raise Stranger(403, "It comes from elsewhere")
        address = address_of(request.scope["path"])
        if address is None or not self._is_ours(address.secret):
            raise Stranger(404, "There is no such path")
        if self._basic is not None and not self._is_known(request.headers.get("authorization", "")):
            raise Stranger(401, "User and password are wrong")
        return address.kind

    async def turn_away(self, request: Request, stranger: Stranger) -> None:
        """Tell the log, nothing of what was tried, and wait before it is answered."""
        peer = self._came_from(request) or _holder(request) or "unknown"
        wait = self._guesses.wrong(peer)
        log.warning("caller.refused", peer=peer, status=stranger.status, waited=round(wait, 1))
        await asyncio.sleep(wait)

    def _came_from(self, request: Request) -> str | None:
        return came_from(_holder(request), request.headers.getlist("x-forwarded-for"), self._proxies)

    def _is_ours(self, secret: str) -> bool:
        """Compared with all there are, whichever it is."""
        given = _digest(secret.encode(errors="replace"))
        return sum([hmac.compare_digest(given, one) for one in self._secrets]) > 0

    def _is_known(self, authorization: str) -> bool:
        scheme, _, credentials = authorization.partition(" ")
        try:
            given = base64.b64decode(credentials.strip(), validate=True)
        except (binascii.Error, ValueError):
            given = b""
        expected = self._basic or b""
        return hmac.compare_digest(_digest(given), expected) and scheme.lower() == "basic"


def _holder(request: Request) -> str | None:
    """Who holds the connection."""
    return request.client.host if request.client else None


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
