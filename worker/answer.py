"""What came back from one POST, as a value: a response, or a named kind of no answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

#: No endpoint means a longer wait than this; it keeps absurd values out of logs and arithmetic.
LONGEST_RETRY_AFTER = 86_400.0


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


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After header, or None where it is absent or wrong (RFC 9110, 10.2.3).

    `value` is a number of seconds or an HTTP date; `now` is the time in seconds since 1970. A date that
    has passed is 0.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
        # An HTTP date is in GMT; one that says nothing must not be read in this machine's zone.
        wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return None  # what email.utils and datetime raise for the many ways a date can be wrong
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER)
