"""What came back from one POST, as a value: a response, or a named kind of no answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class NoAnswerKind(StrEnum):
    """Why there is no answer to read. Only NOT_CONNECTED proves that CM has not seen the request."""

    NOT_CONNECTED = "not_connected"  #: DNS, refused, connect timeout, proxy, TLS: nothing was written
    READ_TIMEOUT = "read_timeout"  #: written, perhaps in part; no whole answer in time
    CONNECTION_LOST = "connection_lost"  #: reset or closed once bytes were, or may have been, written
    TOO_LARGE = "too_large"  #: the answer passed the cap
    GARBLED = "garbled"  #: the answer's content encoding can't be undone


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer, read to its end. `retry_after` and `seconds` (the whole call) are in seconds."""

    status: int
    retry_after: float | None
    body: bytes = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No answer. `detail` is the class name of the exception behind it, never its text."""

    kind: NoAnswerKind
    detail: str
    seconds: float


Answer = Response | NoAnswer
