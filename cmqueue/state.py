"""The states of a message, and the reasons that lead to them (docs/architecture.md draws them)."""

from __future__ import annotations

from enum import Enum, StrEnum


class State(StrEnum):
    """Where a message stands. CLAIMED and POSTING belong to its batch and are never written to a row."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    HELD = "held"
    CLAIMED = "claimed"
    POSTING = "posting"
    AMBIGUOUS = "ambiguous"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"
    READ = "read"
    REJECTED = "rejected"
    DEAD = "dead"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"

    @property
    def letter(self) -> str:
        """The state's byte in a row: lower case waits, upper case is finished. The scripts rely on that."""
        return _LETTER[self]

    @property
    def finished(self) -> bool:
        return self.letter.isupper()


_LETTER = {
    State.SCHEDULED: "s",
    State.QUEUED: "q",
    State.HELD: "h",
    State.CLAIMED: "c",
    State.POSTING: "p",
    State.AMBIGUOUS: "m",
    State.ACCEPTED: "A",
    State.DELIVERED: "D",
    State.FAILED: "F",
    State.READ: "R",
    State.REJECTED: "J",
    State.DEAD: "X",
    State.UNKNOWN: "U",
    State.EXPIRED: "E",
    State.CANCELLED: "C",
    State.SUPPRESSED: "S",
}
STATE_OF_LETTER = {letter: state for state, letter in _LETTER.items()}


class Reason(Enum):
    """Why a message came into its state. The number is written to rows: never reuse or renumber one."""

    ENQUEUED = 0
    SCHEDULED = 1
    RELEASED = 2
    ACCEPTED = 3
    # refused by CM, each with the code of its answer
    REJECTED = 10
    RETRY_REJECTED = 11
    # not sent, certainly
    NOT_CONNECTED = 20
    OVERLOADED = 21
    ACCOUNT_STOPPED = 22
    REQUEST_REFUSED = 23
    GIVEN_BACK = 25
    # perhaps sent
    READ_TIMEOUT = 30
    CONNECTION_LOST = 31
    SERVER_ERROR = 32
    UNREADABLE_ANSWER = 33
    ROW_MISSING = 34
    UNKNOWN_CODE = 35
    WORKER_LOST = 36
    # the end of doubt
    WINDOW_ENDED = 40
    RESENT = 41
    RESENDS_EXHAUSTED = 42
    LATE_ANSWER = 43
    RECEIPT = 44  # with CM's standard error
    TRANSACTION = 45  # CM's Transactions API, asked about what was in doubt
    # gave up, or told to
    ATTEMPTS_EXHAUSTED = 50
    POISON = 51
    CONTENT_LOST = 52
    EXPIRED = 53
    CANCELLED = 54
    SUPPRESSED = 55
    REDRIVEN = 56
    FORGOTTEN = 57  # its number was to be forgotten
    # not on the staging allow-list
    NOT_ALLOWED = 58
    # on the suppression list, and why it came there
    OPTED_OUT = 60
    UNREACHABLE = 61
    BLOCKED = 62
    # a failed message's new one
    FAILURE_RESENT = 63

    @property
    def perhaps_sent(self) -> bool:
        """Whether an attempt that ended so may have reached CM."""
        return Reason.READ_TIMEOUT.value <= self.value <= Reason.WORKER_LOST.value

    @property
    def text(self) -> str:
        """The reason as commands and log lines print it: `read_timeout`."""
        return self.name.lower()
