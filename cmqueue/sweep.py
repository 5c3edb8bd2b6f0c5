"""A sweep: what one pass over all that time moves needs to know, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from cmqueue.lane import Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRules:
    """What a sweep needs to know; times in seconds."""

    most: int = 1000
    reconcile: float = 120.0
    resend_after: dict[Lane, float] = field(default_factory=dict)
    max_resends: int = 3
    dead_retention: float = 7 * 24 * 3600.0
    stale_after: float = 2.0


class Told(NamedTuple):
    """One thing that a sweep did. `key` is the message's id without its partition, or empty."""

    word: str
    key: str
    detail: str


class Lost(NamedTuple):
    """A batch whose lease has ended, at `ended_ms`. `posting` when it may have been sent."""

    id: str
    ended_ms: int
    posting: bool
    jobs: list[bytes]

    def __repr__(self) -> str:
        return f"Lost(id={self.id!r}, posting={self.posting}, size={len(self.jobs)})"


class Swept(NamedTuple):
    """What a sweep found: lanes to wake through the broker, lanes to drain without it, and what it did.

    `more` when a further pass has work to do.
    """

    wake: list[Lane]
    stale: list[Lane]
    more: bool
    told: list[Told]
