"""The checks of the secret key: whether this process names messages as the others do, and what it may drop.

They only read: a checkup settles nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from cmqueue.checkup.check import LIBRARY, Check
from cmqueue.identity import bucket_age, fingerprint
from cmqueue.keyring import VARIABLE, Marks
from cmqueue.lane import Lane
from cmqueue.outbox import Outbox
from cmqueue.row import iso


def secret_checks(outbox: Outbox) -> Iterator[Check]:
    """What there is to know of the keys. Raises OutboxUnavailable."""
    keyring = outbox.registry.keyring
    marks, keys = keyring.marks(), keyring.keys()
    if marks is None:
        yield LIBRARY.ok("key", "none is agreed yet; the first message settles it")
        return
    held = [None if key is None else fingerprint(key) for key in keys]
    if held[0] == marks.current:
        place = "kept in Redis" if keyring.is_generated else "as set here"
        yield LIBRARY.ok("key", f"the installation's, {place}")
    elif marks.current in held and held[0] in marks.retired:
        yield LIBRARY.warn(
            "key",
            f"the first key was replaced at {iso(marks.retired[held[0]])}; the new one names the messages",
            VARIABLE,
            do="put the new key first",
        )
    elif marks.current in held:
        yield LIBRARY.warn(
            "key",
            "the first key is not the installation's yet; the first process that starts with it makes it so",
            VARIABLE,
            do="see to it that every process knows both keys, then restart them with this value",
        )
    else:
        lacking = "a key" if keyring.is_generated else "another key"
        yield LIBRARY.fail(
            "key",
            f"the messages here are named with {lacking} that this process lacks",
            VARIABLE,
            do="give every process the same key",
        )
        return
    yield from _retired(outbox, marks, held)


def _retired(outbox: Outbox, marks: Marks, held: list[str | None]) -> Iterator[Check]:
    """The keys that were replaced: until when each is needed, and whether this process has it."""
    now = float(outbox.scripts.guarded(outbox.scripts.client.time)[0])
    oldest = _oldest(outbox, now) if marks.retired else now
    for mark, at in marks.retired.items():
        until = at + outbox.settings.key_life + max(lane.rules.maximum_age for lane in Lane)
        needed = now < until or oldest <= at
        said = f"a key was replaced at {iso(at)}"
        end = f"until {iso(until)}" if now < until else "as long as a message from before is remembered"
        if needed and mark in held:
            yield LIBRARY.ok("old key", f"{said}; it is read here, and needed {end}")
        elif needed:
            yield LIBRARY.warn(
                "old key",
                f"{said} and this process lacks it: a repeat of an earlier idempotency key is sent again",
                VARIABLE,
                do=f"put that key behind the first, {end}",
            )
        elif mark in held:
            yield LIBRARY.warn(
                "old key", f"{said} and is no longer needed", VARIABLE, do="take it out, from the end"
            )


def _oldest(outbox: Outbox, now: float) -> float:
    """When the oldest time bucket that is still remembered began, in seconds since 1970."""
    client, guarded = outbox.scripts.client, outbox.scripts.guarded
    ages = [0.0]
    for _, partition in outbox.registry.known().values():
        buckets = guarded(lambda name=partition.prefix + "buckets": client.zrange(name, 0, -1))
        ages += [bucket_age(bucket.decode(), now) for bucket in buckets]
    return now - max(ages)
