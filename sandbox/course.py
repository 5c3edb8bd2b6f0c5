"""What becomes of a message after CM took it, as the status codes that are reported one after another.

delivered         the operator took it, then the phone
read              and then somebody looked at it
failed:24         the operator tried, and failed with this standard error; plain `failed` is 5
failed:7          the same, but the network keeps trying, and it arrives after all
rejected:47       CM or the operator would not, with this standard error; plain `rejected` has none
accepted          the operator took it, and that is the last of it
none              nothing is ever heard of it
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from sandbox.standard_error import STANDARD_ERRORS

ACCEPTED, REJECTED, DELIVERED, FAILED, READ = range(5)
NO_DETAIL, STILL_TRYING = 5, 7


class Step(NamedTuple):
    """One status code, with its standard error."""

    code: int
    error: int | None = None


class TimedStep(NamedTuple):
    """A step with its moment, seconds since 1970."""

    at: float
    step: Step


Timeline = tuple[TimedStep, ...]

_COURSES = {
    "delivered": (Step(ACCEPTED), Step(DELIVERED)),
    "read": (Step(ACCEPTED), Step(DELIVERED), Step(READ)),
    "accepted": (Step(ACCEPTED),),
    "rejected": (Step(REJECTED),),
    "none": (),
}


@lru_cache(maxsize=256)
def read_course(name: str) -> tuple[Step, ...]:
    """The steps of a course; raises ValueError for a name that is none."""
    if name in _COURSES:
        return _COURSES[name]
    ending, _, text = name.partition(":")
    error = int(text) if text.isascii() and text.isdigit() else NO_DETAIL if name == "failed" else None
    if error not in STANDARD_ERRORS or ending not in ("failed", "rejected"):
        raise ValueError(f"a course is {', '.join(_COURSES)}, failed, failed:N or rejected:N")
    if ending == "rejected":
        return (Step(REJECTED, error),)
    failed = (Step(ACCEPTED), Step(FAILED, error))
    return (*failed, Step(DELIVERED)) if error == STILL_TRYING else failed
