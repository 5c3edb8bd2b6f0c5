"""One table: what each error code of CM, each HTTP status and each kind of no answer means for us.

Codes: CM's page "Responses & errors (JSON)" and the status enums of its official SDKs, which agree. The
meaning for a sender is our judgement, by one rule: only what proves that a message was not taken may lead
to sending it again; what proves nothing is doubt. So whatever the table does not know is doubt.

The JSON codes 401, 402, 403 and 500 are not the HTTP statuses of the same numbers: hence the levels.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from cmqueue.state import Reason
from worker.answer import NoAnswerKind


class Action(Enum):
    """What to do with what was learnt."""

    ACCEPT = "accept"  #: CM took the message
    REJECT = "reject"  #: CM refused the message for good
    DEFER = "defer"  #: CM refused the message for now
    READ_ROWS = "read rows"  #: the rows of the answer decide
    OVERLOAD = "overload"  #: refused as a whole because of load: later
    RECONNECT = "reconnect"  #: never reached CM: safe to repeat at once
    STOP_ACCOUNT = "stop account"  #: the account or the endpoint is at fault: keep its messages
    REFUSE_WHOLE = "refuse whole"  #: the request is at fault: bisect it
    DOUBT = "doubt"  #: taken or not, nobody knows


#: Actions that rest on knowledge about the request as a whole.
CERTAIN = frozenset({Action.OVERLOAD, Action.RECONNECT, Action.STOP_ACCOUNT, Action.REFUSE_WHOLE})


class Level(Enum):
    """Where a number was read."""

    ACCEPTED_ROW = "row with status Accepted"
    REJECTED_ROW = "row with status Rejected"
    REQUEST = "errorCode of the answer"
    STATUS = "HTTP status without rows"
    STATUS_WITH_RETRY_AFTER = "HTTP status without rows, with a Retry-After"
    TRANSPORT = "no answer"


class Entry(NamedTuple):
    """One line of the table. `key` is one number, a range of HTTP statuses or a kind of no answer."""

    level: Level
    key: int | range | NoAnswerKind
    action: Action
    reason: Reason
    meaning: str


_A, _J, _Q = Level.ACCEPTED_ROW, Level.REJECTED_ROW, Level.REQUEST
_S, _D, _T = Level.STATUS, Level.STATUS_WITH_RETRY_AFTER, Level.TRANSPORT

#: A later line overrides an earlier one of the same level, so ranges come first.
TABLE: tuple[Entry, ...] = (
    # A row names both a word and a code. They contradict each other in Accepted with an error and in
    # Rejected with 0: whichever we believed, the other could be the truth, so both are doubt.
    Entry(_A, 0, Action.ACCEPT, Reason.ACCEPTED, "accepted"),
    Entry(_J, 0, Action.DOUBT, Reason.UNKNOWN_CODE, "rejected, yet no error"),
    Entry(_J, 101, Action.STOP_ACCOUNT, Reason.ACCOUNT_STOPPED, "authentication failed"),
    Entry(_J, 102, Action.STOP_ACCOUNT, Reason.ACCOUNT_STOPPED, "balance insufficient"),
    Entry(_J, 103, Action.STOP_ACCOUNT, Reason.ACCOUNT_STOPPED, "product token incorrect"),
    # Codes about requests have no documented meaning in a row.
    Entry(_J, 201, Action.DOUBT, Reason.UNKNOWN_CODE, "a request's code in a row"),
    Entry(_J, 202, Action.DOUBT, Reason.UNKNOWN_CODE, "a request's code in a row"),
    Entry(_J, 203, Action.DOUBT, Reason.UNKNOWN_CODE, "a request's code in a row"),
    Entry(_J, 301, Action.REJECT, Reason.REJECTED, "invalid sender"),
    Entry(_J, 302, Action.REJECT, Reason.REJECTED, "invalid recipient"),
    Entry(_J, 303, Action.REJECT, Reason.REJECTED, "invalid phone number"),
    Entry(_J, 304, Action.REJECT, Reason.REJECTED, "invalid body"),
    Entry(_J, 305, Action.REJECT, Reason.REJECTED, "invalid field"),
    Entry(_J, 401, Action.REJECT, Reason.REJECTED, "taken for spam"),
    Entry(_J, 402, Action.REJECT, Reason.REJECTED, "blacklisted"),
    Entry(_J, 403, Action.REJECT, Reason.REJECTED, "rejected"),
    # Refused by a row of its own: not taken, whatever broke inside CM.
    Entry(_J, 500, Action.DEFER, Reason.RETRY_REJECTED, "internal error"),
    Entry(_J, 999, Action.DEFER, Reason.RETRY_REJECTED, "unknown error"),
    # The request.
    Entry(_Q, 0, Action.READ_ROWS, Reason.ROW_MISSING, "fine"),
    Entry(_Q, 101, Action.STOP_ACCOUNT, Reason.ACCOUNT_STOPPED, "authentication failed"),
    Entry(_Q, 102, Action.STOP_ACCOUNT, Reason.ACCOUNT_STOPPED, "balance insufficient"),
    Entry(_Q, 103, Action.STOP_ACCOUNT, Reason.ACCOUNT_STOPPED, "product token incorrect"),
    Entry(_Q, 201, Action.READ_ROWS, Reason.ROW_MISSING, "not all was sent"),
    Entry(_Q, 202, Action.REFUSE_WHOLE, Reason.REQUEST_REFUSED, "malformed request"),
    Entry(_Q, 203, Action.REFUSE_WHOLE, Reason.REQUEST_REFUSED, "incorrect msg array"),
    # Codes about messages: which message is meant, if no row says so?
    Entry(_Q, 301, Action.DOUBT, Reason.UNKNOWN_CODE, "a message's code, without its row"),
    Entry(_Q, 302, Action.DOUBT, Reason.UNKNOWN_CODE, "a message's code, without its row"),
    Entry(_Q, 303, Action.DOUBT, Reason.UNKNOWN_CODE, "a message's code, without its row"),
    Entry(_Q, 304, Action.DOUBT, Reason.UNKNOWN_CODE, "a message's code, without its row"),
    Entry(_Q, 305, Action.DOUBT, Reason.UNKNOWN_CODE, "a message's code, without its row"),
    Entry(_Q, 401, Action.DOUBT, Reason.UNKNOWN_CODE, "a message's code, without its row"),
    Entry(_Q, 402, Action.DOUBT, Reason.UNKNOWN_CODE, "a message's code, without its row"),
    Entry(_Q, 403, Action.DOUBT, Reason.UNKNOWN_CODE, "a message's code, without its row"),
    Entry(_Q, 500, Action.DOUBT, Reason.SERVER_ERROR, "internal error, without rows"),
    Entry(_Q, 999, Action.DOUBT, Reason.SERVER_ERROR, "unknown error, without rows"),
    # HTTP, where no row decides. CM documents 200 and 400, both with its envelope.
    Entry(_S, range(100, 200), Action.DOUBT, Reason.UNREADABLE_ANSWER, "interim answer"),
    Entry(_S, range(200, 300), Action.DOUBT, Reason.UNREADABLE_ANSWER, "success, but not in CM's words"),
    # We never follow a redirect. 301, 302 and 303 are also what servers say after doing the work.
    Entry(_S, range(300, 400), Action.DOUBT, Reason.UNREADABLE_ANSWER, "redirect"),
    # 307 and 308 ask for the same POST elsewhere, which nobody does who has taken it.
    Entry(_S, 307, Action.STOP_ACCOUNT, Reason.ACCOUNT_STOPPED, "the endpoint has moved"),
    Entry(_S, 308, Action.STOP_ACCOUNT, Reason.ACCOUNT_STOPPED, "the endpoint has moved"),
    Entry(_S, range(400, 500), Action.DOUBT, Reason.UNREADABLE_ANSWER, "refusal not in CM's words"),
    Entry(_S, 401, Action.STOP_ACCOUNT, Reason.ACCOUNT_STOPPED, "unauthorised"),
    Entry(_S, 403, Action.STOP_ACCOUNT, Reason.ACCOUNT_STOPPED, "forbidden (IP allow-list or firewall)"),
    # Nothing that takes messages lives at this URL: a wrong CMQUEUE_ENDPOINT must not cost messages.
    Entry(_S, 404, Action.STOP_ACCOUNT, Reason.ACCOUNT_STOPPED, "no such endpoint"),
    Entry(_S, 405, Action.STOP_ACCOUNT, Reason.ACCOUNT_STOPPED, "the endpoint takes no POST"),
    Entry(_S, 407, Action.STOP_ACCOUNT, Reason.ACCOUNT_STOPPED, "the proxy wants authentication"),
    Entry(_S, 410, Action.STOP_ACCOUNT, Reason.ACCOUNT_STOPPED, "the endpoint is gone"),
    Entry(_S, 413, Action.REFUSE_WHOLE, Reason.REQUEST_REFUSED, "request too large"),
    Entry(_S, 429, Action.OVERLOAD, Reason.OVERLOADED, "too many requests"),
    Entry(_S, range(500, 600), Action.DOUBT, Reason.SERVER_ERROR, "server or gateway error"),
    Entry(_D, 503, Action.OVERLOAD, Reason.OVERLOADED, "service unavailable for now"),
    # No answer.
    Entry(_T, NoAnswerKind.NOT_CONNECTED, Action.RECONNECT, Reason.NOT_CONNECTED, "not connected"),
    Entry(_T, NoAnswerKind.READ_TIMEOUT, Action.DOUBT, Reason.READ_TIMEOUT, "no answer in time"),
    Entry(_T, NoAnswerKind.CONNECTION_LOST, Action.DOUBT, Reason.CONNECTION_LOST, "connection lost"),
    Entry(_T, NoAnswerKind.TOO_LARGE, Action.DOUBT, Reason.UNREADABLE_ANSWER, "answer too large"),
    Entry(_T, NoAnswerKind.GARBLED, Action.DOUBT, Reason.UNREADABLE_ANSWER, "answer garbled"),
)

_BY_LEVEL: dict[Level, dict[int | NoAnswerKind, Entry]] = {
    level: {
        key: entry
        for entry in TABLE
        if entry.level is level
        for key in (entry.key if isinstance(entry.key, range) else (entry.key,))
    }
    for level in Level
}


def known(level: Level, key: int | NoAnswerKind) -> Entry | None:
    """The table's line, or None where it has none."""
    return _BY_LEVEL[level].get(key)


def of_row(code: int, *, accepted: bool) -> Entry:
    """The meaning of a row's `messageErrorCode`; `accepted` says which of the two words its status is."""
    level = _A if accepted else _J
    return known(level, code) or Entry(level, code, Action.DOUBT, Reason.UNKNOWN_CODE, "unknown code")


def of_request(code: int) -> Entry:
    """The meaning of an answer's `errorCode`."""
    return known(_Q, code) or Entry(_Q, code, Action.DOUBT, Reason.UNKNOWN_CODE, "unknown code")


def of_status(status: int, *, has_retry_after: bool) -> Entry:
    """The meaning of an HTTP status, where no row of the answer decides."""
    return (
        (known(_D, status) if has_retry_after else None)
        or known(_S, status)
        or Entry(_S, status, Action.DOUBT, Reason.UNREADABLE_ANSWER, "no HTTP status")
    )


def of_no_answer(kind: NoAnswerKind) -> Entry:
    """The meaning of a kind of no answer; each has its line."""
    return _BY_LEVEL[_T][kind]
