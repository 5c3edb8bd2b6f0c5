"""The outbox: the queue in Redis that web apps put messages into, and ask about them afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Literal, Self, TypeVar

from cmqueue import chunk
from cmqueue.audit import Audit, balance
from cmqueue.channel import numbers_are_opaque
from cmqueue.chunk import CALL_ID_BYTES, CHUNK, CHUNK_BYTES, Slot, Verdict
from cmqueue.connection import Scripts, connect
from cmqueue.errors import IdempotencyConflict, InvalidMessage
from cmqueue.identity import Identity, bucket_at, keyed, masked, random_ends
from cmqueue.lane import Lane, lane_named
from cmqueue.log import log
from cmqueue.message import Content, Message, Options, parse_message, parse_recipient
from cmqueue.partition import Partition
from cmqueue.receipt import Broadcast, Receipt, Refusal
from cmqueue.registry import Registry
from cmqueue.settings import LibrarySettings
from cmqueue.status import Status
from cmqueue.wakeup import Waker

DEFAULT_ACCOUNT = "default"
Cancellation = Literal["cancelled", "too_late", "not_found"]
_CANCELLATIONS: dict[str, Cancellation] = {"c": "cancelled", "t": "too_late", "n": "not_found"}

P = TypeVar("P")
W = TypeVar("W")


class Outbox:
    """Durable, deduplicated enqueueing, and questions about messages. Safe from threads and after a fork.

    Every call that reaches Redis ends within `CMQUEUE_REDIS_TIMEOUT` and raises OutboxUnavailable
    (OutboxFull) when it could not be done; repeating a call with its idempotency key is always safe.
    """

    def __init__(self, settings: LibrarySettings) -> None:
        self.settings = settings
        self._client = connect(settings.redis_url, settings.redis_timeout)
        self.scripts = Scripts(self._client)
        self.registry = Registry(self.scripts, settings)
        self.waker = Waker(settings.broker)

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """An outbox by the environment's settings. Raises SettingsError, naming the variable."""
        return cls(LibrarySettings.from_env(env))

    def close(self) -> None:
        """Give the connections back."""
        self.waker.close()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- putting messages in -------------------------------------------------------------------------

    def enqueue(
        self,
        message: Message | Mapping[str, Any],
        *,
        lane: str = "normal",
        account: str = DEFAULT_ACCOUNT,
        **options: Any,
    ) -> Receipt:
        """Queue one message durably.

        `options` are those of `cmqueue.message.Options`: guarantee, send_at, expires_in, campaign, metadata,
        client_reference, idempotency_key. Raises InvalidMessage, UnknownLane, IdempotencyConflict,
        OutboxUnavailable.
        """
        chosen, defaults = lane_named(lane), Options(**options)
        checked = parse_message(message, default_region=self.settings.default_region)
        now = time.time()
        seed = (checked.idempotency_key or defaults.idempotency_key or "").encode() or os.urandom(4)
        partition = self.registry.partition_for(account, seed)
        slot = chunk.single(
            checked,
            chosen,
            defaults,
            account=account,
            place=partition.code + bucket_at(now),
            random=random_ends(1)[0],
            key=self.registry.key,
            now=now,
        )
        verdict = self._write(partition, chosen, [slot])[0]
        receipt = _receipt(partition, slot, verdict)
        if isinstance(receipt, IdempotencyConflict):
            raise receipt
        log.debug(
            "message.enqueued",
            id=receipt.id,
            reference=receipt.reference,
            lane=chosen.value,
            number=masked(self.registry.key, checked.to),
            duplicate=receipt.duplicate,
        )
        return receipt

    def enqueue_many(
        self,
        messages: Iterable[Message | Mapping[str, Any]],
        *,
        lane: str = "normal",
        account: str = DEFAULT_ACCOUNT,
        all_or_nothing: bool = False,
        **options: Any,
    ) -> Iterator[Receipt | Refusal]:
        """Queue any number of messages in chunks, in constant memory; a result for each, in their order.

        Lazy: nothing is queued that is not iterated. A bad item is a Refusal and stops no other; with
        `all_or_nothing` everything is checked before anything is queued, which keeps the items in memory, and
        the first bad one raises InvalidMessage. A key used for another payload is a Refusal too.
        """
        chosen, defaults = lane_named(lane), Options(**options)
        if defaults.idempotency_key is not None:
            raise InvalidMessage(
                "idempotency_key", "is given for many messages at once", "a key of its own on each message"
            )
        region = self.settings.default_region
        if all_or_nothing:
            messages = [parse_message(message, default_region=region) for message in messages]
        return self._enqueue_chunks(iter(messages), chosen, account, defaults)

    def _enqueue_chunks(
        self,
        messages: Iterator[Message | Mapping[str, Any]],
        lane: Lane,
        account: str,
        defaults: Options,
    ) -> Iterator[Receipt | Refusal]:
        region, key = self.settings.default_region, self.registry.key
        position = 0

        def prepare() -> tuple[Partition, list[Slot], list[Refusal | None]] | None:
            """The next chunk: its slots, and for each position a refusal or None. None at the end."""
            nonlocal position
            partition = self.registry.partition_for(account, os.urandom(4))
            place = partition.code + bucket_at(now := time.time())
            slots: list[Slot] = []
            results: list[Refusal | None] = []
            ends = random_ends(CHUNK)
            size = 0
            while len(results) < CHUNK and size < CHUNK_BYTES:
                try:
                    item = next(messages)
                except StopIteration:
                    break
                try:
                    checked = parse_message(item, default_region=region)
                    slot = chunk.single(
                        checked, lane, defaults,
                        account=account, place=place, random=ends[len(slots)], key=key, now=now,
                    )  # fmt: skip
                except InvalidMessage as error:
                    results.append(Refusal(position, error.field, error.problem, error.rule))
                else:
                    slots.append(slot)
                    size += len(slot.job)
                    results.append(None)
                position += 1
            return (partition, slots, results) if results else None

        def write(prepared: tuple[Partition, list[Slot], list[Refusal | None]]) -> list[Verdict]:
            partition, slots, _ = prepared
            return self._write(partition, lane, slots) if slots else []

        first = 0
        for (partition, slots, results), written in _overlapped(prepare, write):
            answers = zip(slots, written, strict=True)
            for offset, result in enumerate(results):
                if result is not None:
                    yield result
                    continue
                receipt = _receipt(partition, *next(answers))
                if isinstance(receipt, IdempotencyConflict):
                    yield Refusal(
                        first + offset, "idempotency_key", f"was used for another message, {receipt.id}",
                        "one key, one payload",
                    )  # fmt: skip
                else:
                    yield receipt
            first += len(results)

    def broadcast(
        self,
        content: Content | Mapping[str, Any],
        recipients: Iterable[str],
        *,
        lane: str = "bulk",
        account: str = DEFAULT_ACCOUNT,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Broadcast:
        """Queue one content to many recipients, all of one reference; the same number twice is one message.

        With an idempotency key a repeat enqueues only the recipients that the first call missed. Raises
        InvalidMessage for the content, IdempotencyConflict where the key belongs to another content,
        OutboxUnavailable.
        """
        chosen = lane_named(lane)
        defaults = Options(idempotency_key=idempotency_key, **options)
        checked = content if isinstance(content, Content) else Content(**content)
        now = time.time()
        common = chunk.shared(checked, chosen, defaults, now)
        seed = (idempotency_key or "").encode() or os.urandom(4)
        partition = self.registry.partition_for(account, seed)
        reference = partition.code + bucket_at(now) + random_ends(1)[0]
        key = self.registry.key
        if idempotency_key is not None:
            life = common.terms.life + max(common.terms.due_at - int(now), 0) + self.settings.key_life
            payload = keyed(key, "broadcast payload", account.encode() + b"\0" + common.wire)
            reference = self._broadcast_reference(partition, idempotency_key, reference, payload, life)
        place, random = reference[:6], reference[6:]
        opaque, region = numbers_are_opaque(checked.channels), self.settings.default_region
        account_of = Broadcast(reference)
        position = 0
        source = iter(recipients)

        def prepare() -> list[Slot] | None:
            nonlocal position
            slots: list[Slot] = []
            taken = list(islice(source, CHUNK))
            for recipient in taken:
                try:
                    number = parse_recipient(recipient, opaque=opaque, default_region=region)
                except InvalidMessage as error:
                    account_of.refused.append(Refusal(position, error.field, error.problem, error.rule))
                else:
                    slots.append(chunk.member(number, common, chosen, place=place, random=random, key=key))
                position += 1
            return slots if taken else None

        def write(slots: list[Slot]) -> list[Verdict]:
            if not slots:
                return []
            return self._write(partition, chosen, slots, common=common, call_id=os.urandom(CALL_ID_BYTES))

        for slots, written in _overlapped(prepare, write):
            for slot, verdict in zip(slots, written, strict=True):
                account_of.add(slot.tail, duplicate=verdict.letter != "n")
        log.info(
            "broadcast.enqueued",
            reference=reference,
            lane=chosen.value,
            enqueued=account_of.enqueued,
            duplicates=account_of.duplicates,
            refused=len(account_of.refused),
        )
        return account_of

    def _broadcast_reference(
        self, partition: Partition, name: str, reference: str, payload: bytes, life: int
    ) -> str:
        """The reference that belongs to the key `name`: `reference`, or that of the first call."""
        where = partition.prefix + "idem:" + keyed(self.registry.key, "broadcast", name.encode()).hex()
        guarded = self.scripts.guarded
        guarded(lambda: self._client.set(where, reference.encode() + payload, nx=True, ex=life))
        kept = guarded(lambda: self._client.get(where))
        if kept is None:
            return reference  # it expired between the two calls: this is the first one
        if kept[16:] != payload:
            raise IdempotencyConflict(kept[:16].decode())
        return str(kept[:16].decode())

    def _write(
        self,
        partition: Partition,
        lane: Lane,
        slots: list[Slot],
        *,
        common: chunk.Shared | None = None,
        call_id: bytes = b"",
    ) -> list[Verdict]:
        """Enqueue one chunk and wake the lane when its token was free."""
        args = chunk.arguments(slots, retention=self.settings.key_life, common=common, call_id=call_id)
        woke, written = chunk.verdicts(partition.enqueue(args))
        if woke:
            self.waker.wake(lane, partition.code)
        return written

    # --- asking about them ---------------------------------------------------------------------------

    def status(self, id: str) -> Status | None:
        """Where the message `id` stands, or None where there is none (any more)."""
        identity = Identity.parse(id)
        if identity is None:
            return None
        standing = Partition(self.scripts, identity.partition).status(identity.key)
        return None if standing is None else Status.of("".join(identity), standing)

    def explain(self, id: str) -> str | None:
        """In a sentence or two: where the message is, why, and what moves it next."""
        status = self.status(id)
        return None if status is None else status.explain()

    def cancel(self, id: str) -> Cancellation:
        """Take a message back if it was certainly not sent; `too_late` when it may have been or has ended."""
        identity = Identity.parse(id)
        if identity is None:
            return "not_found"
        verdict = _CANCELLATIONS[Partition(self.scripts, identity.partition).cancel([identity.key])]
        if verdict == "cancelled":
            log.info("message.cancelled", id="".join(identity))
        return verdict

    def redis_setting(self, name: str) -> str:
        """A setting of the Redis server. Raises OutboxUnavailable where it does not tell."""
        found = self.scripts.guarded(lambda: self._client.config_get(name))
        return str(found[name])

    def audit(self) -> Audit:
        """The books of all partitions. A mismatch is read twice more before it counts."""
        for _ in range(3):
            audit = balance(
                (code, partition.survey()) for code, (_, partition) in sorted(self.registry.known().items())
            )
            if audit.balanced:
                break
        return audit


def _receipt(partition: Partition, slot: Slot, verdict: Verdict) -> Receipt | IdempotencyConflict:
    match verdict.letter:
        case "n":
            return Receipt(slot.reference[:6] + slot.tail, slot.reference)
        case "c":
            return IdempotencyConflict(partition.code + verdict.owner)
        case _:
            first = partition.code + verdict.owner
            return Receipt(first, first[:6] + verdict.random, duplicate=True)


def _overlapped(prepare: Callable[[], P | None], write: Callable[[P], W]) -> Iterator[tuple[P, W]]:
    """Each prepared chunk with what writing it gave; a chunk is prepared while the one before is written."""
    prepared = prepare()
    if prepared is None:
        return
    following = prepare()
    if following is None:  # one chunk needs no second thread
        yield prepared, write(prepared)
        return
    with ThreadPoolExecutor(1, "cmqueue-enqueue") as writer:
        while prepared is not None:
            writing = writer.submit(write, prepared)
            following = following or prepare()
            yield prepared, writing.result()
            prepared, following = following, None
