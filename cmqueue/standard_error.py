"""CM's standard errors: what `status.errorCode` of a status report means, and what is done about it.

The codes are those of CM's page "Incoming status report" ("standard errors"); the words are ours. CM itself
calls 7, 8, 21, 22, 35 and 36 temporary, 27 and 34 permanent; the other kinds, and all next steps, are our
judgement, by one rule: what costs something (a resend, a suppression, a slower account) happens only where
the error says that it helps.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """Whom or what an error is about, and for how long."""

    UNSAID = "unsaid"  #: CM or the operator does not say
    PENDING = "pending"  #: not final: the network goes on trying
    RETRYABLE = "retryable"  #: a fault that passes in minutes
    LATER = "later"  #: a state of the recipient that passes in hours
    CONTENT = "content"  #: for good, with this content
    RECIPIENT = "recipient"  #: for good, with this recipient and this kind of message
    DEAD_NUMBER = "dead number"  #: for good, with this number
    ACCOUNT = "account"  #: Safeguard: CM's own limits and blocks, which the account's owner has set


class NextStep(Enum):
    """What a report with the error leads to, beside the state of its message."""

    NOTHING = "nothing"
    WAIT = "wait"  #: the report is not final, and its message stays what it was
    RESEND = "resend"  #: as a new message, where the lane does that and before it expires
    SUPPRESS = "suppress"  #: nothing is sent to the number any more
    SAFEGUARD = "safeguard"  #: an alarm; the account is slowed where it goes on


class StandardError(NamedTuple):
    """One line of the table."""

    code: int
    meaning: str
    kind: Kind
    next_step: NextStep


_N = NextStep
TABLE: tuple[StandardError, ...] = (
    StandardError(5, "not delivered, nobody says why", Kind.UNSAID, _N.NOTHING),
    StandardError(7, "not delivered yet: no credit, the network goes on trying", Kind.PENDING, _N.WAIT),
    StandardError(8, "expired at the operator, nobody says why", Kind.RETRYABLE, _N.RESEND),
    StandardError(20, "cannot be delivered in this form", Kind.CONTENT, _N.NOTHING),
    StandardError(21, "expired while the subscriber had no credit", Kind.LATER, _N.RESEND),
    StandardError(22, "refused by the operator: the subscriber has no credit", Kind.LATER, _N.RESEND),
    StandardError(23, "the number is wrong, barred for good or blacklisted", Kind.DEAD_NUMBER, _N.SUPPRESS),
    StandardError(24, "the subscriber is absent for now", Kind.LATER, _N.RESEND),
    StandardError(25, "the operator's network is at fault for now", Kind.RETRYABLE, _N.RESEND),
    StandardError(26, "the handset is full or busy for now", Kind.LATER, _N.RESEND),
    StandardError(27, "the handset can never take this kind of message", Kind.RECIPIENT, _N.NOTHING),
    # An old meaning and a new one, told apart by CM's text: see `next_step`.
    StandardError(28, "blocked as suspected spam", Kind.CONTENT, _N.NOTHING),
    StandardError(29, "this content is not allowed on this network", Kind.CONTENT, _N.NOTHING),
    # It ends with the billing period, when hardly any message still matters.
    StandardError(30, "the subscriber's spending limit is reached", Kind.RECIPIENT, _N.NOTHING),
    # Of paid messages; a free one may well arrive, so the number is not suppressed.
    StandardError(31, "the subscriber cannot be billed", Kind.RECIPIENT, _N.NOTHING),
    StandardError(33, "stopped by a parental lock", Kind.RECIPIENT, _N.NOTHING),
    StandardError(34, "the age check failed", Kind.RECIPIENT, _N.NOTHING),
    StandardError(35, "the age was not checked yet", Kind.RECIPIENT, _N.NOTHING),
    StandardError(36, "the age check could not be reached", Kind.RETRYABLE, _N.RESEND),
    StandardError(37, "on the national list of those who want no messages", Kind.DEAD_NUMBER, _N.SUPPRESS),
    StandardError(47, "stopped by Safeguard: a sending limit is reached", Kind.ACCOUNT, _N.SAFEGUARD),
)
_BY_CODE = {error.code: error for error in TABLE}
_DESTINATION = StandardError(
    28, "stopped by Safeguard: this destination is blocked", Kind.ACCOUNT, NextStep.SAFEGUARD
)


def standard_error(code: int, description: str = "") -> StandardError | None:
    """The error of `code`, with CM's own `description`; None for 0 and for codes that nobody has documented.

    28 was "suspected spam" and is "blocked by Safeguard Destination management" today: the text decides.
    """
    if code == _DESTINATION.code and "safeguard" in description.casefold():
        return _DESTINATION
    return _BY_CODE.get(code)
