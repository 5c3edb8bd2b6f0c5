"""Which account a product token belongs to."""

from __future__ import annotations

import hmac
from collections.abc import Mapping


class Accounts:
    """The accounts by their tokens. `tokens` is alias to token."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._tokens = [(_plain(token), alias) for alias, token in tokens.items()]

    def alias_of(self, token: str | None) -> str | None:
        """The alias that `token` names, or None. Takes as long for one token as for another."""
        given = _plain(token or "")
        found = [alias for known, alias in self._tokens if hmac.compare_digest(known, given)]
        return found[0] if found else None


def _plain(token: str) -> bytes:
    # A GUID means the same in both cases.
    return token.strip().lower().encode()
