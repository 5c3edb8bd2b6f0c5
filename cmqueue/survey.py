"""What a partition holds at one instant: what `cmqueue.audit` balances."""

from __future__ import annotations

from typing import NamedTuple


class Survey(NamedTuple):
    """The books and the structures of a partition at one instant."""

    counts: dict[str, int]
    tallies: dict[str, int]
    places: dict[str, int]
