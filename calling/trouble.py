"""What may go wrong on the way to a peer. An exception's text may hold a URL: only names are told."""

from __future__ import annotations

from http.client import HTTPException

from urllib3.exceptions import HTTPError

#: All that means trouble on the way. requests' own exceptions are OSErrors too.
TROUBLE = (OSError, HTTPError, HTTPException)


def root(error: BaseException) -> str:
    """The class name of the first cause: `ConnectionRefusedError`, not what was made of it on the way."""
    while isinstance(error.__context__, TROUBLE):
        error = error.__context__
    return type(error).__name__
