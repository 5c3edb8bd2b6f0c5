"""Sending a message anew that CM took and then reported as failed, for a cause that may pass.

It is a new message, with a reference and an id of its own, and with the lane, guarantee, expiry and extras of
the old one; the two name each other in their rows. CM has no way to send the same message again.
"""

from __future__ import annotations

import math
import time
from typing import Literal

from cmqueue.identity import Identity, bucket_at, random_ends, tail_of
from cmqueue.job import Job
from cmqueue.log import log
from cmqueue.outbox import Outbox
from cmqueue.partition import Partition
from cmqueue.report import Merged
from cmqueue.row import Row
from cmqueue.state import State

Revoked = Literal["cancelled", "too_late", "not_found"]


def resend_failed(outbox: Outbox, merged: Merged, *, delay: float, most: int) -> str | None:
    """Queue the message of `merged` anew, to go in `delay` seconds; the new one's id.

    None where it is not kept whole, has been sent anew, would expire before it goes, or goes back `most` such
    messages already. Repeating is safe. Raises OutboxUnavailable.
    """
    if not merged.resendable:
        return None
    identity = Identity.parse(merged.id)
    if identity is None:
        return None
    partition = Partition(outbox.scripts, identity.partition)
    client = outbox.scripts.client
    packed = outbox.scripts.guarded(lambda: client.hget(partition.prefix + "sent", identity.key))
    if packed is None:
        return None
    job = Job.unpack(packed)
    place, random = partition.code + bucket_at(time.time()), random_ends(1)[0]
    new = place + tail_of(outbox.registry.key, place + random, job.number)
    said = outbox.scripts.run(
        "resend",
        partition.prefix,
        [identity.key, new[2:] + random, merged.id, new, math.ceil(delay * 1000), most],
    )
    if said != b"new":
        return None
    log.info("message.resent_anew", id=new, reference=place + random, of=merged.id, wait=round(delay, 1))
    return new


def revoke_resend(outbox: Outbox, merged: Merged) -> Revoked | None:
    """Take back what was sent in the place of a message that has arrived after all; None for nothing.

    Where that has failed too, and was sent anew in its turn, the last of them is what may still wait.
    """
    if merged.before is not State.FAILED or merged.after is State.FAILED:
        return None
    last = merged.id
    while new := _resent_as(outbox, last):
        last = new
    return None if last == merged.id else outbox.cancel(last)


def _resent_as(outbox: Outbox, id: str) -> str | None:
    identity = Identity.parse(id)
    standing = (
        None if identity is None else Partition(outbox.scripts, identity.partition).status(identity.key)
    )
    found: str | None = None if standing is None else Row.unpack(standing.row).extras.get("resent_as")
    return found
