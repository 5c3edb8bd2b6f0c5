"""What the native API answers where something is wrong: RFC 9457, in one shape."""

from __future__ import annotations

from enum import Enum
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from listening.turned_down import TurnedDown

MEDIA_TYPE = "application/problem+json"
NAMESPACE = "urn:cmqueue:"


class Kind(Enum):
    """Every kind of problem: the end of its `type`, its status, its title."""

    BAD_REQUEST = ("bad-request", 400, "The request is not as described")
    UNAUTHORIZED = ("unauthorized", 401, "No client has this token")
    NOT_FOUND = ("not-found", 404, "There is no such thing")
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "This path does not take this method")
    TOO_SLOW = ("too-slow", 408, "The body took too long")
    TOO_LATE = ("too-late", 409, "The message may have been sent, or has ended")
    TOO_LARGE = ("too-large", 413, "The body is too long")
    ENCODED = ("content-encoding", 415, "The body is encoded")
    INTERNAL = ("internal", 500, "Something went wrong here")
    UNAVAILABLE = ("unavailable", 503, "Not now")

    def __init__(self, name: str, status: int, title: str) -> None:
        self.uri = NAMESPACE + name
        self.status = status
        self.title = title


_OF_STATUS = {kind.status: kind for kind in Kind}


class Problem(Exception):
    """A request of the native API that can't be done. `detail` holds nothing that the caller wrote."""

    def __init__(self, kind: Kind, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    @classmethod
    def of_status(cls, status: int, detail: str, headers: dict[str, str]) -> Problem:
        """The problem with this HTTP status; one that has no kind of its own is a bad request."""
        problem = cls(_OF_STATUS.get(status, Kind.BAD_REQUEST), detail)
        problem.headers = headers
        return problem

    @classmethod
    def of_refusal(cls, refusal: TurnedDown) -> Problem:
        """The problem that a refused request is."""
        return cls.of_status(refusal.status, refusal.details, refusal.headers())

    def as_json(self) -> dict[str, Any]:
        kind = self.kind
        return {"type": kind.uri, "title": kind.title, "status": kind.status, "detail": self.detail}

    def response(self) -> Response:
        headers = {"Cache-Control": "no-store"} | self.headers
        return Response(to_json(self.as_json()), self.kind.status, headers, MEDIA_TYPE)
