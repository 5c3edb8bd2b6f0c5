"""Whose token it is that a request carries, in a header or as CM's deprecated clients do in the body."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Mapping

from config.clients import Client
from config.intake import IntakeSettings

TOKEN_HEADER = "X-CM-PRODUCTTOKEN"  # noqa: S105  # the header's name
_BEARER = "bearer "


class Clients:
    """The clients by their tokens: those of CMQUEUE_CLIENT_TOKENS, else each account as a client."""

    def __init__(self, settings: IntakeSettings) -> None:
        self._key = os.urandom(32)
        self._of_accounts = settings.clients is None
        known: Iterable[Client] = settings.clients or [
            Client(name=alias, tokens=(token,), account=alias) for alias, token in settings.tokens.items()
        ]
        self._owners: dict[bytes, Client] = {}
        for client in known:
            for token in client.tokens:
                self._owners.setdefault(self._hashed(token), client)
        self.names = sorted(client.name for client in known)

    def of(self, token: str) -> Client | None:
        """The client that `token` belongs to.

        Takes as long for one token as for another, and for many clients as for one: what is looked up is a
        hash under a key that nobody knows, so how long a comparison takes tells nothing of a token.
        """
        return self._owners.get(self._hashed(token))

    def _hashed(self, token: str) -> bytes:
        plain = token.strip()
        if self._of_accounts:  # a GUID, which means the same in both cases
            plain = plain.lower()
        return hmac.digest(self._key, plain.encode(errors="surrogatepass"), "sha256")


def header_token(headers: Mapping[str, str]) -> str | None:
    """The token in CM's header."""
    return headers.get(TOKEN_HEADER)


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """The token in CM's header or, without that, in `Authorization: Bearer`."""
    given = headers.get(TOKEN_HEADER)
    if given is None and (authorization := headers.get("Authorization", "")).lower().startswith(_BEARER):
        return authorization[len(_BEARER) :]
    return given


def body_token(document: object) -> str | None:
    """`messages.authentication.productToken`, its keys in any case: CM's own SDKs send it ("Integration")."""
    found = _member(_member(_member(document, "messages"), "authentication"), "producttoken")
    return found if isinstance(found, str) else None


def _member(value: object, name: str) -> object:
    if not isinstance(value, dict):
        return None
    return next((member for key, member in reversed(value.items()) if key.lower() == name), None)
