"""A claim: what a worker that asks a partition for messages may get."""

from __future__ import annotations

from typing import NamedTuple

from cmqueue.lane import Lane


class Batch(NamedTuple):
    """Messages claimed together under one lease. `jobs` are packed."""

    id: str
    lane: Lane
    probe: bool
    jobs: list[bytes]

    def __repr__(self) -> str:  # jobs hold numbers and contents
        return f"Batch(id={self.id!r}, lane={self.lane!r}, probe={self.probe}, size={len(self.jobs)})"


class Linger(NamedTuple):
    """The lane has messages, fewer than a batch: wait a little and claim again."""

    lane: Lane


class Empty(NamedTuple):
    """No lane of those asked for has anything to claim."""


class Held(NamedTuple):
    """Nothing may be claimed: the brake, an account stop, or too much doubt. `wait` is in seconds."""

    why: str
    wait: float


Claim = Batch | Linger | Empty | Held
