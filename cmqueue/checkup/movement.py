"""The checks of whether messages move: what is held, and what waits for how long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cmqueue.checkup.check import LIBRARY, Check
from cmqueue.hold import CONTESTED, ROLLED_BACK, Hold, holds
from cmqueue.job import Job
from cmqueue.lane import Lane
from cmqueue.outbox import Outbox
from cmqueue.partition import Partition
from cmqueue.row import Row

UNSERVED = 60.0  #: seconds that a lane may wait without a claim


def movement_checks(outbox: Outbox) -> Iterator[Check]:
    """What stands still, in every partition. Raises OutboxUnavailable."""
    held = holds(outbox)
    for hold in held:
        yield _held(hold)
    if not held:
        yield LIBRARY.ok("holds", "no lane and no account is held")
    yield from _backlogs(outbox)


def _held(hold: Hold) -> Check:
    where = f"account {hold.account}"
    cause, _, detail = hold.why.partition(":")
    why = f"{cause} ({detail})" if detail else cause
    if hold.lane is not None:
        option = "" if hold.account == "default" else f" --account {hold.account}"
        return LIBRARY.fail(
            "holds",
            f"the lane {hold.lane} is {why}; its messages wait",
            where,
            do=f"see in the worker's log why, then: cmqueue resume {hold.lane}{option}",
        )
    if cause == CONTESTED:
        return LIBRARY.fail(
            "holds",
            f"more than one account holds the partition {hold.partition}, since Redis lost its registry: "
            "nobody sends what waits there",
            where,
            do="docs/architecture.md, When Redis goes back in time",
        )
    if cause == ROLLED_BACK:
        option = "" if hold.account == "default" else f" --account {hold.account}"
        return LIBRARY.fail(
            "holds",
            f"Redis went back in time ({detail}): what is sent at most once waits, since it may have been "
            "sent before",
            where,
            do="see in the worker's log (outbox.rolled_back) and at CM what was sent, cancel that, then: "
            f"cmqueue resume --rolled-back{option}",
        )
    if cause == "brake":
        return LIBRARY.warn(
            "holds",
            f"the account is held by the {why}: CM's endpoint gives no usable answer. Its messages wait; it "
            "is tried again by itself",
            where,
            do="see below whether the endpoint can be reached",
        )
    return LIBRARY.fail(
        "holds",
        f"the account is {why}: CM refuses its product token. Its messages wait; it is tried again",
        where,
        do="compare the token with CM's Channels app, correct it where the worker runs, restart the worker",
    )


class Backlog(NamedTuple):
    """One lane: how many wait, since when the first does, and the last claim; seconds since 1970, or 0."""

    waiting: int
    since: float
    claimed: float


def _backlogs(outbox: Outbox) -> Iterator[Check]:
    now = float(outbox.scripts.guarded(outbox.scripts.client.time)[0])
    total = 0
    for account, partition in outbox.registry.known().values():
        for lane in Lane:
            backlog = _backlog(outbox, partition, lane)
            total += backlog.waiting
            if backlog.since and now - max(backlog.since, backlog.claimed) > UNSERVED:
                last = f"for {_spelled(now - backlog.claimed)}" if backlog.claimed else "ever"
                yield LIBRARY.warn(
                    "backlog",
                    f"{backlog.waiting:,} in the lane {lane}, the first for {_spelled(now - backlog.since)}; "
                    f"no worker has taken any {last}",
                    f"account {account}",
                    do="unless something is held: start a worker that has this account's token",
                )
    yield LIBRARY.ok("backlog", f"{total:,} in the lanes" if total else "nothing waits in the lanes")


def _backlog(outbox: Outbox, partition: Partition, lane: Lane) -> Backlog:
    client, guarded, prefix = outbox.scripts.client, outbox.scripts.guarded, partition.prefix
    pipe = client.pipeline(transaction=False)
    for name in ("ready:", "lane:"):
        pipe.llen(prefix + name + lane.letter)
        pipe.lindex(prefix + name + lane.letter, 0)
    pipe.hget(prefix + "pulse", lane.letter)
    returned, first_returned, fresh, first_fresh, pulse = guarded(pipe.execute)
    since = 0.0
    if first := first_returned or first_fresh:
        job = Job.unpack(first)
        row = guarded(lambda: client.hget(f"{prefix}rows:{job.bucket}", job.tail))
        # A withdrawn job stays in its list until its turn comes.
        since = 0.0 if row is None or Row.unpack(row).state.finished else Row.unpack(row).history[-1].at
    return Backlog(returned + fresh, float(since), float(pulse or 0) / 1000)


def _spelled(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
