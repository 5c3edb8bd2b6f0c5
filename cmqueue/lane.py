"""Lanes: the ways through the outbox, and the rules each brings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cmqueue.errors import UnknownLane


class Guarantee(StrEnum):
    """What happens to a message of which nobody knows whether CM took it."""

    AT_MOST_ONCE = "at_most_once"
    AT_LEAST_ONCE = "at_least_once"


class Lane(StrEnum):
    """The lanes, the most urgent first."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"

    @property
    def letter(self) -> str:
        """The lane's byte in rows and jobs."""
        return self.value[0]

    @property
    def rules(self) -> LaneRules:
        return RULES[self]


LANE_OF_LETTER = {lane.letter: lane for lane in Lane}


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRules:
    """What sets one lane apart. All times are in seconds."""

    linger: float  #: how long a batch that is not full waits for company
    share: int | None  #: its weight when lanes compete for a batch; None goes before all
    guarantee: Guarantee  #: for messages whose caller names none
    maximum_age: int  #: a message without `expires_in` expires this long after it is due
    resend_after: (
        float | None
    )  #: at least once: how long doubt lasts before a resend; None is the reconcile window


RULES = {
    Lane.URGENT: LaneRules(
        linger=0.0, share=None, guarantee=Guarantee.AT_LEAST_ONCE, maximum_age=15 * 60, resend_after=5.0
    ),
    Lane.NORMAL: LaneRules(
        linger=0.02, share=4, guarantee=Guarantee.AT_MOST_ONCE, maximum_age=24 * 3600, resend_after=None
    ),
    Lane.BULK: LaneRules(
        linger=0.05, share=1, guarantee=Guarantee.AT_MOST_ONCE, maximum_age=72 * 3600, resend_after=None
    ),
}


def lane_named(name: str) -> Lane:
    """The lane called `name`; raises UnknownLane, naming those that exist."""
    try:
        return Lane(name)
    except ValueError:
        raise UnknownLane(f"no lane is called {name[:32]!r}; the lanes are {', '.join(Lane)}") from None
