"""Where one message stands: what `cmqueue.status` makes a sentence of."""

from __future__ import annotations

from typing import NamedTuple


class Standing(NamedTuple):
    """Where a message stands, as Redis keeps it. `at_ms` is 0 where the place has no time.

    `rolled_back_ms` is when a rollback was seen that is not resumed, 0 where there is none.
    """

    row: bytes
    where: str
    at_ms: int
    paused: str
    gate: str
    gate_until_ms: int
    rolled_back_ms: int
