"""The outbox in memory: what a web app's tests put in Outbox's place."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cmqueue.errors import OutboxUnavailable
from cmqueue.events.event import Event
from cmqueue.events.subscription import Subscription
from cmqueue.gate import GateRules
from cmqueue.identity import Identity, spelled
from cmqueue.lane import Guarantee, Lane
from cmqueue.outbox import Outbox
from cmqueue.partition import Partition
from cmqueue.registry import Registry
from cmqueue.settings import GENERATED, LibrarySettings
from cmqueue.settlement import Settlement
from cmqueue.state import Reason, State
from cmqueue.sweep import SweepRules
from cmqueue.testing.envelope import Envelope
from cmqueue.testing.store import Kept, Store

_SENT = (State.ACCEPTED, State.DELIVERED, State.FAILED, State.READ)
_RULES = SweepRules()
_KEPT_MS = round(GateRules().dead_retention * 1000)


class MemoryOutbox(Outbox):
    """An Outbox whose messages lie in this process, until it is forgotten.

    Checks, options, ids, idempotency keys, broadcasts, status, explain, cancel and audit are the real one's.
    It needs no Redis, wakes no worker, and nothing is sent. A test moves the messages itself: `deliver`,
    `accept`, `reject`, `doubt`, `post`; `advance` lets time pass, `away` takes Redis away. `events` tells
    what happened.
    """

    def __init__(self, settings: LibrarySettings | None = None) -> None:
        super().__init__(settings or LibrarySettings())
        self._store = Store(self._client, self.settings.redis_timeout)
        self.scripts = self._store
        self._accounts = _Accounts(self._store, self.settings)
        self.registry = self._accounts

    # --- looking ---------------------------------------------------------------------------------------

    @property
    def messages(self) -> list[Envelope]:
        """All that was enqueued, in its order, whatever became of it."""
        with self._store.lock:
            return [self._envelope(kept) for kept in self._store.messages.values()]

    @property
    def sent(self) -> list[Envelope]:
        """Those that CM has accepted, as far as the test told."""
        return [message for message in self.messages if message.state in _SENT]

    def message(self, id: str) -> Envelope:
        """The message `id`; raises LookupError."""
        with self._store.lock:
            return self._envelope(self._found(id))

    def clear(self) -> None:
        """Forget all messages and idempotency keys."""
        self._store.forget()

    # --- what workers do -------------------------------------------------------------------------------

    def deliver(self) -> list[Envelope]:
        """Let CM accept all that is due; those that it accepted. What is past its time expires instead."""
        with self._store.lock:
            self._pass_time()
            due = sorted(
                (kept for kept in self._store.messages.values() if kept.row.state is State.QUEUED),
                key=lambda kept: list(Lane).index(kept.row.lane),
            )
            for kept in due:
                self._settle(kept, Settlement(State.ACCEPTED, Reason.ACCEPTED, parts=1))
            return [self._envelope(kept) for kept in due]

    def accept(self, id: str, *, parts: int = 1) -> None:
        """CM accepts a message that waits. Raises LookupError, and ValueError where it has ended."""
        self.settle(id, Settlement(State.ACCEPTED, Reason.ACCEPTED, parts=parts))

    def reject(self, id: str, code: int = 303) -> None:
        """CM refuses a message for good, by a row with `code`. Raises as `accept`."""
        self.settle(id, Settlement(State.REJECTED, Reason.REJECTED, code=code))

    def doubt(self, id: str) -> None:
        """It was posted, no answer came: ambiguous until `accept`, `reject` or time. Raises as `accept`."""
        with self._store.lock:
            row = self._found(id).row
            window = row.lane.rules.resend_after if row.guarantee is Guarantee.AT_LEAST_ONCE else None
            delay_ms = round((window or _RULES.reconcile) * 1000)
            self.settle(id, Settlement(State.AMBIGUOUS, Reason.READ_TIMEOUT, delay_ms=delay_ms))

    def post(self, id: str) -> None:
        """A worker begins to post it: from now on `cancel` comes too late. Raises as `accept`."""
        with self._store.lock:
            kept = self._waiting(id)
            self._release(kept)
            kept.place = "posting"

    def settle(self, id: str, settlement: Settlement) -> None:
        """Any end of an attempt, as a worker writes it down. Raises as `accept`."""
        with self._store.lock:
            self._settle(self._waiting(id), settlement)

    def advance(self, seconds: float) -> None:
        """Let time pass: what is scheduled becomes due, what is old expires, doubt and keys end."""
        with self._store.lock:
            self._store.ahead += seconds
            self._pass_time()

    @contextmanager
    def away(self, *, maybe_enqueued: bool = False) -> Iterator[None]:
        """Every call raises OutboxUnavailable; `maybe_enqueued`: Redis did it, the answer is lost."""
        before, self._store.fault = self._store.fault, maybe_enqueued
        try:
            yield
        finally:
            self._store.fault = before

    # --- hearing of them -------------------------------------------------------------------------------

    def events(
        self,
        subscriber: str,
        *,
        types: Iterable[str] | None = None,
        wait: float | None = None,  # noqa: ARG002 - nothing comes while it waits
    ) -> Iterator[Event]:
        """As the real one's, but it ends when there is nothing more, whatever `wait` is."""
        subscription = Subscription(self, subscriber, types=types)
        self._store.guarded(lambda: self._store.read.setdefault(subscriber, len(self._store.told)))
        return self._events(subscription)

    def _events(self, subscription: Subscription) -> Iterator[Event]:
        store, group = self._store, subscription.group
        while store.read[group] < len(store.told):
            event = store.told[store.read[group]]
            if event.type in subscription.types:
                account = event.account or self._accounts.account_of((event.message or "AA")[:2])
                yield replace(event, account=account)
            store.read[group] += 1

    def tell(self, type: str, data: Mapping[str, Any], *, message: str | None = None) -> None:
        """Let subscribers hear what somebody sent: `inbound.received`, say, perhaps answering a `message`."""
        with self._store.lock:
            self._store.tell(type, data=dict(data), message=message, account="" if message else "default")

    # --- the moves -------------------------------------------------------------------------------------

    def _settle(self, kept: Kept, fate: Settlement) -> None:
        store, now_ms = self._store, round(self._store.now * 1000)
        if kept.row.state is State.AMBIGUOUS:
            if fate.state not in (State.ACCEPTED, State.REJECTED):
                raise ValueError("only `accepted` and `rejected` end doubt")
            store.move(kept, fate.state, Reason.LATE_ANSWER, fate.code, parts=fate.parts)
            return
        self._release(kept)
        if fate.state is State.QUEUED:  # given back
            kept.place = "list"
            return
        place, delay_ms = {
            State.SCHEDULED: ("due", fate.delay_ms),
            State.AMBIGUOUS: ("doubt", fate.delay_ms),
            State.DEAD: ("kept", _KEPT_MS),
        }.get(fate.state, ("row", 0))
        store.move(
            kept,
            fate.state,
            fate.reason,
            fate.code,
            attempts=int(fate.counts),
            parts=fate.parts,
            place=place,
            at_ms=0 if place == "row" else now_ms + delay_ms,
        )

    def _release(self, kept: Kept) -> None:
        """What is posted was due before."""
        if kept.row.state is State.SCHEDULED:
            self._store.move(kept, State.QUEUED, Reason.RELEASED, place="list")

    def _pass_time(self) -> None:
        """What the sweeper does, and the slow scan of the lanes."""
        store, now = self._store, int(self._store.now)
        for kept in store.ended("doubt"):
            again = kept.job.at_least_once and kept.job.resends < _RULES.max_resends
            if again and kept.row.expires_at > now:
                store.move(kept, State.QUEUED, Reason.RESENT, resends=1, place="list")
            else:
                exhausted = kept.job.at_least_once and not again
                reason = Reason.RESENDS_EXHAUSTED if exhausted else Reason.WINDOW_ENDED
                at_ms = now * 1000 + _KEPT_MS
                store.move(kept, State.UNKNOWN, reason, place="kept", at_ms=at_ms)
        for kept in store.ended("due"):
            if kept.row.expires_at > now:
                self._release(kept)
            else:
                self._expire(kept)
        for kept in store.ended("list"):  # which has no time of its own: all of it
            if kept.row.expires_at <= now:
                self._expire(kept)
        for kept in store.ended("kept"):
            kept.place, kept.at_ms = "row", 0

    def _expire(self, kept: Kept) -> None:
        """One that may have arrived did not expire: it is in doubt again."""
        if kept.job.doubted:
            at_ms = round(self._store.now * 1000)
            self._store.move(kept, State.AMBIGUOUS, Reason.EXPIRED, place="doubt", at_ms=at_ms)
        else:
            self._store.move(kept, State.EXPIRED, Reason.EXPIRED)

    def _found(self, id: str) -> Kept:
        identity = Identity.parse(id)
        kept = None if identity is None else self._store.messages.get("".join(identity))
        if kept is None:
            raise LookupError("no message has this id")
        return kept

    def _waiting(self, id: str) -> Kept:
        kept = self._found(id)
        if kept.row.state.finished:
            raise ValueError(f"the message has ended: {kept.row.state}")
        return kept

    def _envelope(self, kept: Kept) -> Envelope:
        job, row = kept.job, kept.row
        scheduled = row.history[0].state is State.SCHEDULED
        return Envelope(
            id=kept.id,
            reference=kept.id[:6] + job.random,
            account=self._accounts.account_of(kept.id[:2]),
            lane=row.lane,
            guarantee=row.guarantee,
            state=State(kept.place) if kept.place in ("claimed", "posting") else row.state,
            to=job.number,
            content=json.loads(kept.content),
            send_at=datetime.fromtimestamp(job.due_at, UTC) if scheduled else None,
            expires_at=datetime.fromtimestamp(row.expires_at, UTC),
            client_reference=row.extras.get("client_reference"),
            campaign=row.extras.get("campaign"),
            metadata=row.extras.get("metadata"),
        )

    # --- what only Redis has ---------------------------------------------------------------------------

    def redis_setting(self, name: str) -> str:
        raise OutboxUnavailable(f"there is no Redis to tell {name}", maybe_enqueued=False)

    def _recounted(self, partition: Partition) -> list[str]:  # noqa: ARG002 - the outbox's signature
        return []  # each message lies in one place, by the way it is kept


class _Accounts(Registry):
    """The partitions of this process, and a key of its own."""

    def __init__(self, store: Store, settings: LibrarySettings) -> None:
        super().__init__(store, settings)
        given = tuple(key for key in settings.secret_keys or () if key != GENERATED)
        self._keys = given or (secrets.token_bytes(32),)
        self._names: list[str] = []

    def agree(self) -> None:
        """There is no other process to agree with."""

    def _assigned(self, name: str) -> Partition:
        with self._lock:
            if name not in self._names:
                self._names.append(name)
        return Partition(self._scripts, spelled(self._names.index(name), 2))

    def known(self) -> dict[str, tuple[str, Partition]]:
        codes = self._scripts.guarded(lambda: [spelled(at, 2) for at in range(len(self._names))])
        return {code: (self.account_of(code), Partition(self._scripts, code)) for code in codes}

    def account_of(self, code: str) -> str:
        """The alias of the account whose messages' ids begin with `code`."""
        (name,) = (name for at, name in enumerate(self._names) if spelled(at, 2) == code)
        return name.rpartition(":")[0]
