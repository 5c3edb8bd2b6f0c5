"""What becomes of a call after a try: a pure function. Time and chance are arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat

GONE = 410
JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Answered:
    """The endpoint's answer. `retry_after`: seconds that it asked for, None where it did not."""

    status: int
    retry_after: float | None = None

    @property
    def why(self) -> str:
        return str(self.status)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No answer came. `why` is the name of an error's class, or of a rule: `AddressRefused`."""

    why: str


@dataclass(frozen=True, slots=True)
class Done:
    """It arrived."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Again after `delay` seconds."""

    delay: float
    why: str


@dataclass(frozen=True, slots=True)
class Dead:
    """It is given up."""

    why: str


@dataclass(frozen=True, slots=True)
class Off:
    """The endpoint wants nothing any more."""

    why: str


Outcome = Done | Retry | Dead | Off


def after_failure(
    failures: int, schedule: Sequence[float], chance: float, why: str, retry_after: float | None = None
) -> Retry | Dead:
    """What becomes of a call that failed before `failures` times, and now once more.

    `chance` in [0, 1) spreads the wait by 20 % to both sides. A Retry-After is followed where it lies
    between the wait and twice as much.
    """
    if failures >= len(schedule):
        return Dead(why)
    wait = schedule[failures] * (1 - JITTER + 2 * JITTER * chance)
    return Retry(min(max(wait, retry_after or 0.0), 2 * wait), why)


def decide(answer: Answered | Unanswered, failures: int, schedule: Sequence[float], chance: float) -> Outcome:
    """What an answer means, by Standard Webhooks: 2xx arrived, 410 ends all, everything else is retried."""
    match answer:
        case Answered(status) if 200 <= status < 300:
            return Done()
        case Answered(status) if status == GONE:
            return Off(answer.why)
        case Answered(_, retry_after):
            return after_failure(failures, schedule, chance, answer.why, retry_after)
        case Unanswered(why):
            return after_failure(failures, schedule, chance, why)


def doubling(first: float, last: float) -> list[float]:
    """The pauses of a target that fails on: each is twice the one before, up to the last, which repeats."""
    steps = list(accumulate(repeat(2.0, 30), lambda wait, factor: wait * factor, initial=first))
    return [*(step for step in steps if step < last), last]
