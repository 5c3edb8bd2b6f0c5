"""The outbox: the queue in Redis that web apps put messages into, and ask about them afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Literal, Self, cast

from cmqueue import chunk, errand_token
from cmqueue.audit import Audit, balance
from cmqueue.channel import numbers_are_opaque
from cmqueue.chunk import CALL_ID_BYTES, CHUNK, CHUNK_BYTES, Slot
from cmqueue.connection import Scripts, connect
from cmqueue.errors import IdempotencyConflict, InvalidMessage, OutboxUnavailable
from cmqueue.events.event import Event
from cmqueue.events.subscription import Subscription
from cmqueue.identity import Identity, bucket_at, endless_random_ends, keyed, random_ends
from cmqueue.lane import Lane, lane_named
from cmqueue.log import log
from cmqueue.message import Content, Message, Options, parse_message, parse_recipient
from cmqueue.overlap import overlapped
from cmqueue.partition import Partition
from cmqueue.receipt import Broadcast, Receipt, Refusal
from cmqueue.recount import recount as recount_partition
from cmqueue.registry import Registry
from cmqueue.settings import DEFAULT_ACCOUNT, LibrarySettings
from cmqueue.state import STATE_OF_LETTER, State
from cmqueue.status import Status
from cmqueue.verdict import Verdict, receipt_of, result_of, verdicts
from cmqueue.wakeup import Waker

READINGS = 3
Cancellation = Literal["cancelled", "too_late", "not_found"]
_CANCELLATIONS: dict[str, Cancellation] = {"c": "cancelled", "t": "too_late", "n": "not_found"}


class Outbox:
    """Durable, deduplicated enqueueing, and questions about messages. Safe from threads and after a fork.

    Every call that reaches Redis ends within `CMQUEUE_REDIS_TIMEOUT` and raises OutboxUnavailable
    (OutboxFull) when it could not be done; repeating a call with its idempotency key is always safe.
    """

    def __init__(self, settings: LibrarySettings) -> None:
        self.settings = settings
        self._client = connect(settings.redis_url, settings.redis_timeout)
        self.scripts = Scripts(self._client, settings.redis_timeout)
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
        name = checked.idempotency_key or defaults.idempotency_key
        place = self._place(account, name.encode() if name else os.urandom(4), now)
        singles = chunk.Singles(chosen, defaults, account=account, keys=self.registry.keys)
        slot = singles.slot(checked, place=place, random=random_ends(1)[0], now=now)
        (verdict,) = self._write(chosen, [slot])()
        receipt = receipt_of(slot, verdict)
        if isinstance(receipt, IdempotencyConflict):
            raise receipt
        log.debug(
            "message.enqueued",
            id=receipt.id,
            reference=receipt.reference,
            lane=chosen.value,
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
        if all_or_nothing:
            region, now = self.settings.default_region, time.time()
            messages = checked = [parse_message(message, default_region=region) for message in messages]
            for message in checked:
                chunk.terms(chosen, message, defaults, message.validity, message.channels, now)
        return self._enqueue_chunks(iter(messages), chosen, account, defaults)

    def _enqueue_chunks(
        self,
        messages: Iterator[Message | Mapping[str, Any]],
        lane: Lane,
        account: str,
        defaults: Options,
    ) -> Iterator[Receipt | Refusal]:
        singles = chunk.Singles(lane, defaults, account=account, keys=self.registry.keys)
        region, position, ends = self.settings.default_region, 0, endless_random_ends()

        def prepare() -> list[Slot | Refusal] | None:
            """The next chunk; None at the end."""
            nonlocal position
            prepared: list[Slot | Refusal] = []
            now, size = time.time(), 0
            unkeyed = self._place(account, os.urandom(4), now)
            for item, random in zip(islice(messages, CHUNK), ends, strict=False):  # no end is drawn for none
                try:
                    message = parse_message(item, default_region=region)
                    name = message.idempotency_key
                    place = unkeyed if name is None else self._place(account, name.encode(), now)
                    slot = singles.slot(message, place=place, random=random, now=now)
                except InvalidMessage as error:
                    prepared.append(Refusal(position, error.field, error.problem, error.rule))
                else:
                    prepared.append(slot)
                    size += len(slot.job)
                position += 1
                if size >= CHUNK_BYTES:
                    break
            return prepared or None

        def write(prepared: list[Slot | Refusal]) -> Callable[[], list[Verdict]]:
            return self._write(lane, [slot for slot in prepared if type(slot) is Slot])

        begin = 0
        for prepared, written in overlapped(prepare, write):
            answers = iter(written)
            for at, item in enumerate(prepared, begin):
                yield item if type(item) is Refusal else result_of(at, cast("Slot", item), next(answers))
            begin += len(prepared)

    def _place(self, account: str, seed: bytes, now: float) -> str:
        """Partition and bucket of a new message, 6 characters; the same seed falls to the same shard."""
        return self.registry.partition_for(account, seed).code + bucket_at(now)

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

        With an idempotency key a repeat enqueues only the recipients that the calls before missed, until
        `CMQUEUE_RETENTION_SECONDS` (a day at least) after the broadcast is due, or after the last repeat.
        Raises InvalidMessage for the content, IdempotencyConflict where the key belongs to another content,
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
            # The rows of those whom it reached are kept as long: a repeat finds them by these.
            life = max(common.terms.due_at - int(now), 0) + self.settings.key_life
            payload = account.encode() + b"\0" + common.wire
            reference, key = self._first_call(partition, idempotency_key, reference, payload, life)
        members = chunk.Members(common, chosen, place=reference[:6], random=reference[6:], key=key)
        opaque, region = numbers_are_opaque(checked.channels), self.settings.default_region
        account_of = Broadcast(reference)
        position = 0
        source = iter(recipients)

        def prepare() -> list[tuple[str, bytes]] | None:
            nonlocal position
            made: list[tuple[str, bytes]] = []
            taken = list(islice(source, CHUNK))
            for recipient in taken:
                try:
                    made.append(
                        members.member(parse_recipient(recipient, opaque=opaque, default_region=region))
                    )
                except InvalidMessage as error:
                    account_of.refused.append(Refusal(position, error.field, error.problem, error.rule))
                position += 1
            return made if taken else None

        def write(made: list[tuple[str, bytes]]) -> Callable[[], list[Any]]:
            if not made:
                return lambda: [0, b""]
            args = chunk.member_arguments(
                [job for _, job in made],
                common,
                retention=self.settings.key_life,
                call_id=os.urandom(CALL_ID_BYTES),
            )
            return self._begin(partition, chosen, args)

        for made, reply in overlapped(prepare, write):
            account_of.add([tail for tail, _ in made], reply[1].decode())
        log.info(
            "broadcast.enqueued",
            reference=reference,
            lane=chosen.value,
            enqueued=account_of.enqueued,
            duplicates=account_of.duplicates,
            refused=len(account_of.refused),
        )
        return account_of

    def _first_call(
        self, partition: Partition, name: str, reference: str, payload: bytes, life: int
    ) -> tuple[str, bytes]:
        """The reference that belongs to the key `name`, and the secret key that its ids are made with.

        They are `reference` and the newest, or those of the first call. Raises IdempotencyConflict.
        """
        keys = self.registry.keys
        names = [
            (keyed(key, "broadcast", name.encode()).hex(), keyed(key, "broadcast payload", payload))
            for key in keys
        ]
        first, at, same = partition.first_call(reference, life, names)
        if not same:
            raise IdempotencyConflict(first)
        return first, keys[at]

    def _write(self, lane: Lane, slots: list[Slot]) -> Callable[[], list[Verdict]]:
        """Enqueue one chunk of single messages, a script call per shard; the result waits for the last."""
        found: dict[int, Verdict] = {}
        shards: dict[str, list[int]] = {}
        for at, slot in enumerate(slots):
            shards.setdefault(slot.reference[:2], []).append(at)

        def finish(places: list[int], reply: Callable[[], list[Any]]) -> list[Verdict]:
            try:
                found.update(zip(places, verdicts(reply()), strict=True))
            except OutboxUnavailable as error:
                if found:  # an earlier shard of this chunk was written
                    raise OutboxUnavailable(error.problem, maybe_enqueued=True) from None
                raise
            return [found[at] for at in sorted(found)]

        finished: Callable[[], list[Verdict]] = list
        for code, places in shards.items():
            finished()
            args = chunk.arguments([slots[at] for at in places], retention=self.settings.key_life)
            finished = partial(finish, places, self._begin(Partition(self.scripts, code), lane, args))
        return finished

    def _begin(self, partition: Partition, lane: Lane, args: list[Any]) -> Callable[[], list[Any]]:
        """Send a call of the enqueue script; the result waits for its reply and wakes the lane if need be."""
        begun = partition.begin_enqueue(args)

        def reply() -> list[Any]:
            replied = begun()
            if replied[0]:  # the token was free
                self.waker.wake(lane, partition.code)
            return replied

        return reply

    # --- asking about them ---------------------------------------------------------------------------

    def status(self, id: str) -> Status | None:
        """Where the message `id` stands, or None where there is none (any more)."""
        identity = Identity.parse(id)
        if identity is None:
            return None
        standing = Partition(self.scripts, identity.partition).status(identity.key)
        return None if standing is None else Status.of("".join(identity), standing)

    def states(self, ids: Sequence[str]) -> list[State | None]:
        """Where each of `ids` stands, in their order; None where there is no such message (any more).

        A round trip for each thousand of a partition: much cheaper than `status`, which tells more.
        """
        places: dict[str, list[tuple[int, str]]] = {}
        for at, id in enumerate(ids):
            if (identity := Identity.parse(id)) is not None:
                places.setdefault(identity.partition, []).append((at, identity.key))
        found: list[State | None] = [None] * len(ids)
        for code, asked in places.items():
            partition = Partition(self.scripts, code)
            for begin in range(0, len(asked), CHUNK):
                part = asked[begin : begin + CHUNK]
                letters = partition.states([key for _, key in part])
                for (at, _), letter in zip(part, letters, strict=True):
                    found[at] = STATE_OF_LETTER.get(letter)
        return found

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

    def wake_errand(self, name: str) -> bool:
        """Ask the worker processes to run the errand `name`; whether this call asked. Raises nothing.

        It did not where another asked a moment ago, or Redis or the broker is away: the workers look by
        themselves each second.
        """
        return errand_token.take(self.scripts, name) and self.waker.errand(name)

    # --- hearing of them -----------------------------------------------------------------------------

    def events(
        self, subscriber: str, *, types: Iterable[str] | None = None, wait: float | None = None
    ) -> Iterator[Event]:
        """What happens to messages and what people send, from the first call as `subscriber` on.

        At least once: each is acknowledged when the next is asked for. `types` may be patterns (`message.*`).
        It ends when nothing came for `wait` seconds, never when None. Raises ValueError for a name or a type.
        """
        return Subscription(self, subscriber, types=types).opened().events(wait=wait)

    def redis_setting(self, name: str) -> str:
        """A setting of the Redis server. Raises OutboxUnavailable where it does not tell."""
        found = self.scripts.guarded(lambda: self._client.config_get(name))
        if name not in found:
            raise OutboxUnavailable(f"Redis does not tell {name}", maybe_enqueued=False)
        return str(found[name])

    def audit(self, *, recount: bool = False) -> Audit:
        """The books of all partitions; with `recount` every row and every entry that waits is read too.

        Messages move meanwhile, so a mismatch is read twice more before it counts.
        """
        partitions = [partition for _, (_, partition) in sorted(self.registry.known().items())]
        for _ in range(READINGS):
            audit = balance((partition.code, partition.survey()) for partition in partitions)
            if audit.balanced:
                break
        if recount:
            for partition in partitions:
                audit.problems += self._recounted(partition)
        return audit

    def _recounted(self, partition: Partition) -> list[str]:
        """What is wrong with a partition at every one of three readings."""
        problems: set[str] | None = None
        for _ in range(READINGS):
            found = recount_partition(self.scripts, partition).problems
            problems = found if problems is None else problems & found
            if not problems:
                break
        return sorted(problems or ())
