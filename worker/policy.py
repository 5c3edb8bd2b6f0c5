"""The long clock: what happens to a message after an attempt. Pure; time and chance come from outside.

Two clocks, never nested. tenacity repeats, for seconds and inside an attempt, only what was provably not
sent. What is decided here is parked in Redis, for seconds to hours, and no worker waits for it.

Only what CM did with a message burns one of its attempts: a refusal because of load, a connection that
never stood, a stopped account and a request refused as a whole say nothing about the message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from cmqueue.settlement import Settlement
from cmqueue.state import Reason, State
from worker.outcome import Accepted, Ambiguous, Deferred, Outcome, Rejected, Untaken

#: A longer Retry-After is cut to this: nobody's header may park a message for days.
LONGEST_HEEDED = 900.0
JITTER = 0.2
_LONGEST_MS = 2**32 - 1  #: what a settlement can hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What one message brings to the decision."""

    attempts: int  #: burnt before this one
    resends: int  #: repeats after doubt, so far
    at_least_once: bool
    resend_after: float | None = None  #: its lane's wait before a resend, seconds; None is the whole window


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRules:
    """The settings of the long clock; all times in seconds."""

    schedule: tuple[float, ...]  #: the wait after the first attempt, the second, …; the last one repeats
    max_attempts: int
    overload_floor: float  #: the least wait after a refusal that named none
    reconcile_seconds: float  #: how long an ambiguous message waits for a receipt
    max_resends: int

    def __post_init__(self) -> None:
        if not self.schedule or min(self.schedule) <= 0:
            raise ValueError("a retry schedule needs steps, each longer than 0 s")


@dataclass(frozen=True, slots=True)
class Accept:
    """Done: CM took it."""

    parts: int


@dataclass(frozen=True, slots=True)
class Reject:
    """Done: CM refused it for good."""

    code: int


@dataclass(frozen=True, slots=True)
class Bury:
    """Given up."""

    reason: Reason
    code: int


@dataclass(frozen=True, slots=True)
class Park:
    """Try again in `delay` seconds; `counts` burns an attempt."""

    delay: float
    reason: Reason
    code: int
    counts: bool


@dataclass(frozen=True, slots=True)
class Doubt:
    """Perhaps sent: wait `window` seconds for proof. The outbox then resends it or ends it as unknown."""

    window: float
    reason: Reason
    code: int


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Back to its lane, untouched: the lane or the account waits, not the message."""

    reason: Reason
    code: int = 0


Disposition = Accept | Reject | Bury | Park | Doubt | GiveBack


def decide(outcome: Outcome, attempt: Standing, rules: RetryRules, draw: float) -> Disposition:
    """What to do with one message. `draw`, from [0, 1), moves a step by up to 20 % either way."""
    match outcome:
        case Accepted(parts):
            return Accept(parts)
        case Rejected(code):
            return Reject(code)
        case Deferred(reason, code):
            if attempt.attempts + 1 >= rules.max_attempts:
                return Bury(Reason.ATTEMPTS_EXHAUSTED, code)
            return Park(_step(attempt, rules, draw), reason, code, counts=True)
        case Ambiguous(reason, code):
            return Doubt(_window(attempt, rules), reason, code)
        case Untaken():
            return _untaken(outcome, _step(attempt, rules, draw), rules)
        case unknown:
            assert_never(unknown)


def settlement(disposition: Disposition) -> Settlement:
    """The disposition as the outbox takes it."""
    match disposition:
        case Accept(parts):
            return Settlement(State.ACCEPTED, Reason.ACCEPTED, parts=parts)
        case Reject(code):
            return Settlement(State.REJECTED, Reason.REJECTED, code)
        case Bury(reason, code):
            return Settlement(State.DEAD, reason, code)
        case Park(delay, reason, code, counts):
            return Settlement(State.SCHEDULED, reason, code, counts=counts, delay_ms=_milliseconds(delay))
        case Doubt(window, reason, code):
            return Settlement(State.AMBIGUOUS, reason, code, delay_ms=_milliseconds(window))
        case GiveBack(reason, code):
            return Settlement(State.QUEUED, reason, code, counts=False)
        case unknown:
            assert_never(unknown)


def _untaken(outcome: Untaken, step: float, rules: RetryRules) -> Park | GiveBack:
    match outcome.reason:
        case Reason.NOT_CONNECTED:
            return Park(step, outcome.reason, outcome.code, counts=False)
        case Reason.OVERLOADED:
            named = outcome.retry_after
            least = rules.overload_floor if named is None else min(named, LONGEST_HEEDED)
            return Park(max(step, least), outcome.reason, outcome.code, counts=False)
        case Reason.ACCOUNT_STOPPED | Reason.REQUEST_REFUSED:
            return GiveBack(outcome.reason, outcome.code)
        case unknown:
            assert_never(unknown)


def _step(attempt: Standing, rules: RetryRules, draw: float) -> float:
    """The schedule's wait after this attempt, spread by `draw`."""
    step = rules.schedule[min(attempt.attempts, len(rules.schedule) - 1)]
    return step * (1 - JITTER + 2 * JITTER * draw)


def _window(attempt: Standing, rules: RetryRules) -> float:
    """How long to wait for proof. With no resend left only a receipt can help, so it gets its whole time."""
    if not attempt.at_least_once or attempt.resend_after is None or attempt.resends >= rules.max_resends:
        return rules.reconcile_seconds
    return attempt.resend_after


def _milliseconds(seconds: float) -> int:
    return min(round(seconds * 1000), _LONGEST_MS)
