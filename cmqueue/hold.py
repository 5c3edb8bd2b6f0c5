"""Holds: what keeps messages in their lanes. A lane is stopped by too many messages that no request may hold;
an account by the brake (no usable answers) or by CM, who refused its product token.
"""

from __future__ import annotations

from typing import NamedTuple

from cmqueue.lane import LANE_OF_LETTER, Lane
from cmqueue.outbox import Outbox


class Hold(NamedTuple):
    """A lane of a partition that is held, or the whole partition where `lane` is None.

    `why` is `stopped` or `brake`, with what caused it after a colon. `until` is when an account is probed
    next, in seconds since 1970; 0 for a lane, which waits for somebody.
    """

    account: str
    partition: str
    lane: Lane | None
    why: str
    until: float = 0.0


def holds(outbox: Outbox) -> list[Hold]:
    """Everything that is held now. Raises OutboxUnavailable."""
    client, guarded = outbox.scripts.client, outbox.scripts.guarded
    found = []
    for code, (account, partition) in sorted(outbox.registry.known().items()):
        pipe = client.pipeline(transaction=False)
        pipe.hgetall(partition.prefix + "pauses")
        pipe.hmget(partition.prefix + "gate", ["closed", "until"])
        pauses, (closed, until) = guarded(pipe.execute)
        if closed:
            found.append(Hold(account, code, None, closed.decode(), float(until or 0) / 1000))
        found += [
            Hold(account, code, LANE_OF_LETTER[letter.decode()], why.decode())
            for letter, why in sorted(pauses.items())
        ]
    return found


def resume(outbox: Outbox, lane: Lane, account: str) -> bool | None:
    """Take the hold off `lane` in every partition of `account`, and wake it; whether there was one.

    None where the account has no partition. Raises OutboxUnavailable.
    """
    partitions = [partition for name, partition in outbox.registry.known().values() if name == account]
    if not partitions:
        return None
    held = False
    for partition in partitions:
        if partition.resume(lane):
            held = True
            if partition.take_wake(lane):
                outbox.waker.wake(lane, partition.code)
    return held
