"""A chunk: up to 1000 checked messages, turned into the arguments of one enqueue and its reply into verdicts.

Pure: the clock, chance and the key are arguments.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from cmqueue.channel import numbers_are_opaque
from cmqueue.errors import InvalidMessage
from cmqueue.identity import keyed, tail_of
from cmqueue.job import AT_LEAST_ONCE, DIGEST_BYTES, OPAQUE, SHARED, Job
from cmqueue.lane import Guarantee, Lane
from cmqueue.message import Content, Message, Options
from cmqueue.partition import WAKE_MS
from cmqueue.row import pack_extras
from cmqueue.validity import deadline

CHUNK = 1000
CHUNK_BYTES = 4 << 20
CALL_ID_BYTES = 12


class Slot(NamedTuple):
    """One message made ready: its job, and what the script keeps beside it."""

    job: bytes
    tail: str
    reference: str
    extras: bytes
    idempotency: bytes
    payload: bytes
    #: the same two by each older secret key
    older: tuple[tuple[bytes, bytes], ...] = ()

    def __repr__(self) -> str:  # the job holds a number and a content
        return f"Slot(reference={self.reference!r}, tail={self.tail!r})"


class Terms(NamedTuple):
    """When and how: what lane, options and validity come to. Seconds since 1970 (0: at once), and seconds."""

    due_at: int
    life: int
    flags: int


def terms(lane: Lane, options: Options, defaults: Options, validity: Any, channels: Any, now: float) -> Terms:
    """The terms of a message; an option of its own goes before the call's, and the lane decides the rest.

    Raises InvalidMessage where the validity ends before the message is due.
    """
    send_at = options.send_at or defaults.send_at
    due_at = math.ceil(send_at.timestamp()) if send_at else 0
    expires_in = options.expires_in or defaults.expires_in or lane.rules.maximum_age
    life = math.ceil(expires_in)
    if validity is not None:
        start = max(due_at, now)
        life = min(life, math.floor(deadline(validity, start) - start))
        if life < 1:
            raise InvalidMessage(
                "validity", "ends before the message is due", "a time after `send_at`, or after now"
            )
    guarantee = options.guarantee or defaults.guarantee or lane.rules.guarantee
    flags = AT_LEAST_ONCE if guarantee is Guarantee.AT_LEAST_ONCE else 0
    if numbers_are_opaque(channels):
        flags |= OPAQUE
    return Terms(due_at, life, flags)


def single(
    message: Message,
    lane: Lane,
    defaults: Options,
    *,
    account: str,
    place: str,
    random: str,
    key: bytes,
    now: float,
    old_keys: Sequence[bytes] = (),
) -> Slot:
    """`message` made ready under a reference of its own. `place` is partition and bucket, 6 characters."""
    reference = place + random
    tail = tail_of(key, reference, message.to)
    wire = message.wire()
    due_at, life, flags = terms(lane, message, defaults, message.validity, message.channels, now)
    job = Job(lane, flags, 0, 0, life, due_at, place[2:], tail, random, message.to, wire).pack()
    extras = pack_extras(
        message.client_reference or defaults.client_reference,
        message.campaign or defaults.campaign,
        message.metadata if message.metadata is not None else defaults.metadata,
    )
    name = message.idempotency_key or defaults.idempotency_key
    if name is None:
        return Slot(job, tail, reference, extras, b"", b"")
    payload = b"\0".join((account.encode(), message.to.encode(), wire))
    (idempotency, digest), *older = [
        (keyed(secret, "idempotency", name.encode()), keyed(secret, "payload", payload))
        for secret in (key, *old_keys)
    ]
    return Slot(job, tail, reference, extras, idempotency, digest, tuple(older))


class Shared(NamedTuple):
    """A broadcast's content and terms, worked out once."""

    wire: bytes
    digest: bytes
    extras: bytes
    terms: Terms

    def __repr__(self) -> str:
        return f"Shared(digest={self.digest.hex()}, terms={self.terms})"


def shared(content: Content, lane: Lane, options: Options, now: float) -> Shared:
    """What all messages of a broadcast have in common."""
    wire = content.wire()
    return Shared(
        wire,
        hashlib.sha256(wire).digest()[:DIGEST_BYTES],
        pack_extras(options.client_reference, options.campaign, options.metadata),
        terms(lane, options, options, content.validity, content.channels, now),
    )


def member(number: str, common: Shared, lane: Lane, *, place: str, random: str, key: bytes) -> Slot:
    """One recipient of a broadcast, made ready."""
    reference = place + random
    tail = tail_of(key, reference, number)
    due_at, life, flags = common.terms
    job = Job(lane, flags | SHARED, 0, 0, life, due_at, place[2:], tail, random, number, common.digest).pack()
    return Slot(job, tail, reference, common.extras, b"", b"")


def arguments(
    slots: Sequence[Slot],
    *,
    retention: int,
    common: Shared | None = None,
    call_id: bytes = b"",
    wake: bool = True,
) -> list[Any]:
    """The arguments of `scripts/enqueue.lua`."""
    extras = any(slot.extras for slot in slots)
    keys = max(1 + len(slot.older) if slot.idempotency else 0 for slot in slots)
    args: list[Any] = [
        WAKE_MS if wake else b"",
        call_id,
        retention,
        common.digest if common else b"",
        common.wire if common else b"",
        ("x" if extras else "") + "k" * keys,
    ]
    for slot in slots:
        args.append(slot.job)
        if extras:
            args.append(slot.extras)
        if keys:
            args += (slot.idempotency, slot.payload)
            for pair in slot.older or ((b"", b""),) * (keys - 1):
                args += pair
    return args


class Verdict(NamedTuple):
    """What the script said of one message. `owner` and `random` name the one that came first, if one did."""

    letter: str
    owner: str = ""
    random: str = ""


def verdicts(reply: list[Any]) -> tuple[bool, list[Verdict]]:
    """Whether the wake-up token was taken, and a verdict for each message: n new, d duplicate, c conflict."""
    owners = iter(reply[2:])
    letters: str = reply[1].decode()
    found = []
    for letter in letters:
        owner = "" if letter == "n" else next(owners, b"").decode()
        found.append(Verdict(letter, owner[:24], owner[24:]))
    return bool(reply[0]), found
