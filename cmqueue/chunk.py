"""A chunk: up to 1000 checked messages, turned into the arguments of one enqueue.

Pure: the clock, chance and the key are arguments.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from cmqueue.channel import numbers_are_opaque
from cmqueue.errors import InvalidMessage
from cmqueue.identity import TAIL, keyed, tail_of, tails_under
from cmqueue.job import AT_LEAST_ONCE, DIGEST_BYTES, HEAD_BYTES, KEY_AT, OPAQUE, SHARED, Job
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


def idempotency(
    keys: Sequence[bytes], account: str, name: str | None, number: str, wire: bytes
) -> tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...]]:
    """What a slot keeps of the idempotency key `name`: it and the payload, hashed by each secret key."""
    if name is None:
        return b"", b"", ()
    payload = b"\0".join((account.encode(), number.encode(), wire))
    (hashed, digest), *older = [
        (keyed(secret, "idempotency", name.encode()), keyed(secret, "payload", payload)) for secret in keys
    ]
    return hashed, digest, tuple(older)


class Singles:
    """Makes messages ready, each under its own reference; what a call's messages share is worked out once.

    `keys` are the secret keys, the newest first.
    """

    def __init__(self, lane: Lane, defaults: Options, *, account: str, keys: Sequence[bytes]) -> None:
        self._lane, self._defaults, self._account = lane, defaults, account
        self._keys, self._key = keys, keys[0]
        self._usual = terms(lane, defaults, defaults, None, (), 0.0)
        self._extras = pack_extras(defaults.client_reference, defaults.campaign, defaults.metadata)

    def slot(self, message: Message, *, place: str, random: str, now: float) -> Slot:
        """`message` made ready. `place` is partition and bucket, 6 characters."""
        reference = place + random
        tail = tail_of(self._key, reference, message.to)
        wire = message.wire()
        due_at, life, flags = self._terms(message, now)
        job = Job(self._lane, flags, 0, 0, life, due_at, place[2:], tail, random, message.to, wire).pack()
        name = message.idempotency_key or self._defaults.idempotency_key
        if name is None:
            return Slot(job, tail, reference, self._extras_of(message), b"", b"")
        pairs = idempotency(self._keys, self._account, name, message.to, wire)
        return Slot(job, tail, reference, self._extras_of(message), *pairs)

    def _terms(self, message: Message, now: float) -> Terms:
        own = (message.send_at, message.expires_in, message.guarantee, message.validity, message.channels)
        if own == _NO_TERMS:
            return self._usual
        return terms(self._lane, message, self._defaults, message.validity, message.channels, now)

    def _extras_of(self, message: Message) -> bytes:
        if (message.client_reference, message.campaign, message.metadata) == _NO_EXTRAS:
            return self._extras
        usual = self._defaults
        return pack_extras(
            message.client_reference or usual.client_reference,
            message.campaign or usual.campaign,
            message.metadata if message.metadata is not None else usual.metadata,
        )


_NO_TERMS = (None, None, None, None, ())
_NO_EXTRAS = (None, None, None)


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


class Members:
    """Makes the recipients of a broadcast ready: of their jobs, only number and end of the id differ."""

    def __init__(self, common: Shared, lane: Lane, *, place: str, random: str, key: bytes) -> None:
        due_at, life, flags = common.terms
        blank = Job(lane, flags | SHARED, 0, 0, life, due_at, place[2:], "T" * TAIL, random, "", b"").pack()
        self._before, self._between = blank[: KEY_AT.stop - TAIL], blank[KEY_AT.stop : HEAD_BYTES - 1]
        self._digest = common.digest
        self._tail = tails_under(key, place + random)

    def member(self, number: str) -> tuple[str, bytes]:
        """The end of the recipient's id, and its job."""
        tail, written = self._tail(number), number.encode()
        return tail, b"%b%b%b%c%b%b" % (
            self._before, tail.encode(), self._between, len(written), written, self._digest
        )  # fmt: skip


def arguments(slots: Sequence[Slot], *, retention: int, common: Shared | None = None) -> list[Any]:
    """The arguments of `scripts/enqueue.lua` for single messages, which may have `common` content."""
    digest, wire = (b"", b"") if common is None else (common.digest, common.wire)
    extras = any(slot.extras for slot in slots)
    keys = max(1 + len(slot.older) if slot.idempotency else 0 for slot in slots)
    fields = ("x" if extras else "") + "k" * keys + ("" if common is None else "a")
    args: list[Any] = [WAKE_MS, b"", retention, digest, wire, fields]
    if not extras and not keys:
        return args + [slot.job for slot in slots]
    for slot in slots:
        args.append(slot.job)
        if extras:
            args.append(slot.extras)
        if keys:
            args += (slot.idempotency, slot.payload)
            for pair in slot.older or ((b"", b""),) * (keys - 1):
                args += pair
    return args


def member_arguments(
    jobs: Sequence[bytes], common: Shared, *, retention: int, call_id: bytes = b""
) -> list[Any]:
    """The arguments of `scripts/enqueue.lua` for recipients of a broadcast."""
    args: list[Any] = [WAKE_MS, call_id, retention, common.digest, common.wire, "x" if common.extras else ""]
    if not common.extras:
        return args + list(jobs)
    return args + [part for job in jobs for part in (job, common.extras)]
