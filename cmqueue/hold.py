"""Holds: what keeps messages in their lanes. A lane is stopped by too many messages that no request may hold;
an account by the brake (no usable answers) or by CM, who refused its product token; and all that is sent at
most once by a rollback: Redis came back older than a worker knew it. A partition that it gave to another
account since then is contested, and all of it held.
"""

from __future__ import annotations

from typing import NamedTuple

from cmqueue.lane import LANE_OF_LETTER, Lane
from cmqueue.outbox import Outbox
from cmqueue.row import iso

ROLLED_BACK = "rolled_back"
CONTESTED = "contested"


class Hold(NamedTuple):
    """A lane of a partition that is held, or the whole partition where `lane` is None.

    `why` is `stopped`, `brake`, `rolled_back` or `contested`, with what caused it after a colon. `until` is
    when an account is probed next, in seconds since 1970; 0 for what waits for somebody.
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
        pipe.hget(partition.prefix + "rolled_back", "at")
        for lane in Lane:
            pipe.llen(f"{partition.prefix}aside:{lane.letter}")
        pauses, (closed, until), rolled_back, *aside = guarded(pipe.execute)
        if code in outbox.registry.contested:
            found.append(Hold(account, code, None, CONTESTED))
        if rolled_back:
            why = f"{ROLLED_BACK}:{iso(int(rolled_back) // 1000)}, {sum(aside):,} set aside"
            found.append(Hold(account, code, None, why))
        if closed:
            found.append(Hold(account, code, None, closed.decode(), float(until or 0) / 1000))
        found += [
            Hold(account, code, LANE_OF_LETTER[letter.decode()], why.decode())
            for letter, why in sorted(pauses.items())
        ]
    return found


def resume_rolled_back(outbox: Outbox, account: str) -> bool | None:
    """Let go on what rollbacks have held in the partitions of `account`; whether anything was held.

    What was set aside goes back to the front of its lane when a worker next looks, within a second or two.
    None where the account has no partition. Raises OutboxUnavailable.
    """
    partitions = [partition for name, partition in outbox.registry.known().values() if name == account]
    if not partitions:
        return None
    held = [partition.resume_rolled_back() for partition in partitions]  # every one of them
    return any(held)


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
