"""What messages must have in common to share a call of the outbox, and that call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from cmqueue import Outbox, Receipt, Refusal
from cmqueue.lane import Lane
from listening.gather import Gathered

Fields: TypeAlias = Mapping[str, Any]
Queued: TypeAlias = Gathered[Receipt | Refusal]


class Way(NamedTuple):
    """What messages must have in common to share a call."""

    account: str
    lane: Lane
    send_at: datetime | None
    expires_in: float | None


def enqueue(outbox: Outbox, way: Way, messages: Sequence[Fields]) -> Queued:
    """Queue messages in one call of the outbox, two where they are very long."""
    results: list[Receipt | Refusal] = []
    try:
        results.extend(
            outbox.enqueue_many(
                messages, lane=way.lane, account=way.account, send_at=way.send_at, expires_in=way.expires_in
            )
        )
    except Exception as error:  # noqa: BLE001 - each request is told of it in its own words
        return Gathered(results, error)
    return Gathered(results)
