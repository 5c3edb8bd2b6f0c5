"""What an answer means for one message: a closed set, to be matched to its end with `assert_never`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cmqueue.state import Reason

#: Why a message was certainly not taken.
UntakenReason = Literal[
    Reason.NOT_CONNECTED, Reason.OVERLOADED, Reason.ACCOUNT_STOPPED, Reason.REQUEST_REFUSED
]


@dataclass(frozen=True, slots=True)
class Accepted:
    """CM took the message for a delivery attempt. `parts` is CM's count of SMS parts, 0 where unsaid."""

    parts: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """CM refused this message for good, by a row of its own."""

    code: int


@dataclass(frozen=True, slots=True)
class Deferred:
    """CM refused this message by a row of its own, for a cause that may pass."""

    reason: Reason
    code: int


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Nobody knows whether CM took the message. `code` is CM's code or the HTTP status, 0 for neither."""

    reason: Reason
    code: int = 0


@dataclass(frozen=True, slots=True)
class Untaken:
    """CM certainly did not take the message, and nothing is wrong with it. `retry_after` is in seconds."""

    reason: UntakenReason
    code: int = 0
    retry_after: float | None = None


Outcome = Accepted | Rejected | Deferred | Ambiguous | Untaken
