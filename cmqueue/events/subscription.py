"""A subscription: reading the events of all partitions with a consumer group, at least once.

A group hears what happens from its first reader on, whether somebody reads at the time or not. Readers of
one group share the events. What a reader took and did not acknowledge is given to another after a minute.
"""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import ResponseError

from cmqueue.errors import OutboxUnavailable
from cmqueue.events.event import Event, events_of
from cmqueue.events.subscribers import SUBSCRIBERS, make, stream_of
from cmqueue.events.trimming import UNREAD_GOES
from cmqueue.events.types import ALL, types_of
from cmqueue.job import UnknownFormat
from cmqueue.log import log
from cmqueue.row import given_with

if TYPE_CHECKING:
    from cmqueue.outbox import Outbox

TAKE_OVER_SECONDS = 60.0
OPEN_EVERY = 1.0
LOOK_EVERY = 1.0  #: for entries of readers that were lost
MOST = 20  #: entries read at once; each holds the events of one script, up to 1000
ACKNOWLEDGE_EVERY = 0.25

_NAME = re.compile(r"[\w.:<>-]{1,250}")
_LONG_IDLE_MS = 10 * 365 * 24 * 3600 * 1000


class Token(NamedTuple):
    """The entry that was delivered, by which it is acknowledged."""

    partition: str
    entry: str


class Delivered(NamedTuple):
    """One entry of a stream, and those of its events that were asked for."""

    token: Token
    events: list[Event]


class Subscription:
    """One reader of `group`. Not to be shared between threads, nor kept over a fork.

    `types` are types or patterns (`message.delivered`, `message.*`), all when None; what is not asked for is
    acknowledged unseen. `consumer` is this reader's name, unique in the group; one is made up when None.
    Raises ValueError for a name or a type that can't be.
    """

    def __init__(
        self,
        outbox: Outbox,
        group: str,
        consumer: str | None = None,
        types: Iterable[str] | None = None,
        *,
        take_over_seconds: float = TAKE_OVER_SECONDS,
    ) -> None:
        if not _NAME.fullmatch(group):
            raise ValueError("a subscriber's name must be 1 to 250 letters, digits or any of _ . : -")
        self.group = group
        self.types = ALL if types is None else types_of(types)
        self._outbox = outbox
        self._consumer = consumer or os.urandom(8).hex()
        self._take_over_ms = round(take_over_seconds * 1000)
        self._accounts: dict[str, str] = {}  #: partition -> account, of those that the group is in
        self._known = False  #: whether the group is on the list of subscribers
        self._opened_at = -OPEN_EVERY
        self._took_over_at: float | None = None
        self._kept_at = 0.0
        self._cursors: dict[str, str] = {}

    # --- the group -------------------------------------------------------------------------------------

    def open(self) -> None:
        """Make the group in each partition that does not have it yet, or lost it. Raises OutboxUnavailable.

        A group begins with what happens from now on; in a partition that is made later, with all there is.
        """
        client, guarded = self._outbox.scripts.client, self._outbox.scripts.guarded
        known = {code: account for code, (account, _) in self._outbox.registry.known().items()}
        listed = bool(guarded(lambda: client.sismember(SUBSCRIBERS, self.group)))
        made = self._make(sorted(known), "0" if listed or self._known else "$")
        if made & self._accounts.keys():  # Redis came back without them, and nobody would be told of events
            log.warning("subscription.restored", group=self.group)
        if not listed:
            guarded(lambda: client.sadd(SUBSCRIBERS, self.group))
        self._known = True
        self._accounts |= known
        self._opened_at = time.monotonic()

    def opened(self) -> Subscription:
        """This, after `open`."""
        self.open()
        return self

    def _make(self, codes: Sequence[str], begin: str) -> set[str]:
        """The partitions in which it was not there."""
        client = self._outbox.scripts.client
        made: set[str] = self._outbox.scripts.guarded(lambda: make(client, codes, [self.group], begin))
        return made

    def end(self) -> None:
        """End the subscription for all its readers, which must have stopped: what was not read is gone.

        The streams go with their last group. Raises OutboxUnavailable; it may be repeated.
        """
        client = self._outbox.scripts.client

        def destroy() -> None:
            pipe = client.pipeline(transaction=False)
            pipe.srem(SUBSCRIBERS, self.group)
            for code in self._outbox.registry.known():
                pipe.xgroup_destroy(stream_of(code), self.group)
                pipe.eval(UNREAD_GOES, 1, stream_of(code))
            for result in pipe.execute(raise_on_error=False):
                # A partition without a stream has no group either.
                if isinstance(result, Exception) and not _says_missing(result):
                    raise result

        self._outbox.scripts.guarded(destroy)
        self._accounts.clear()
        self._known = False

    # --- reading ---------------------------------------------------------------------------------------

    def read(self, most: int = MOST, block_seconds: float = 0.0) -> list[Delivered]:
        """About `most` entries that nobody has read, those of lost readers first; none after `block_seconds`.

        Each must be acknowledged by `done`. Raises OutboxUnavailable.
        """
        end = time.monotonic() + block_seconds
        while True:
            if time.monotonic() - self._opened_at >= OPEN_EVERY:
                self.open()
            left = max(0.0, end - time.monotonic())
            entries = self._taken_over(most) or self._fresh(most, left)
            if found := self._delivered(entries):
                return found
            if not entries and time.monotonic() >= end:
                return []

    def _fresh(self, most: int, block_seconds: float) -> list[tuple[str, bytes, dict[bytes, bytes]]]:
        """Entries that nobody was given: partition, id, fields."""
        client = self._outbox.scripts.client
        if not self._accounts:
            time.sleep(min(block_seconds, OPEN_EVERY))
            return []
        streams: dict[Any, Any] = {stream_of(code): ">" for code in self._accounts}
        # A blocked call is waited for no longer than any other; one of 0 milliseconds would block for ever.
        block_ms = round(min(block_seconds, self._outbox.settings.redis_timeout * 0.25) * 1000) or None
        count = max(1, most // len(streams))

        def ask() -> Any:
            try:
                return client.xreadgroup(self.group, self._consumer, streams, count=count, block=block_ms)
            except ResponseError as error:
                if not _says_missing(error):
                    raise
                return None

        told = self._outbox.scripts.guarded(ask)
        if told is None:  # Redis has lost a group, and what was in it
            log.warning("subscription.restored", group=self.group)
            self._make(sorted(self._accounts), "0")
            self._outbox.scripts.guarded(lambda: client.sadd(SUBSCRIBERS, self.group))
            told = self._outbox.scripts.guarded(ask) or {}
        return [
            (_code(stream.decode()), id, fields)
            for stream, entries in _paired(told)
            for id, fields in entries
        ]

    def _taken_over(self, most: int) -> list[tuple[str, bytes, dict[bytes, bytes]]]:
        """Entries of readers that were not heard of for long; looked for now and then."""
        now = time.monotonic()
        due = self._took_over_at is None or now - self._took_over_at >= LOOK_EVERY
        if not due and not self._cursors:
            return []
        self._took_over_at = now
        client, codes = self._outbox.scripts.client, sorted(self._accounts)

        def ask() -> Any:
            pipe = client.pipeline(transaction=False)
            for code in codes:
                pipe.xautoclaim(
                    stream_of(code),
                    self.group,
                    self._consumer,
                    self._take_over_ms,
                    start_id=self._cursors.get(code, "0-0"),
                    count=most,
                )
            return pipe.execute(raise_on_error=False)

        found = []
        for code, told in zip(codes, self._outbox.scripts.guarded(ask) if codes else [], strict=True):
            self._cursors.pop(code, None)
            if isinstance(told, Exception):
                if not _says_missing(told):
                    self._outbox.scripts.guarded(lambda told=told: _raise(told))
                continue
            if told[0] != b"0-0":
                self._cursors[code] = told[0].decode()
            # Redis 6.2 names entries that were trimmed, without an id.
            found += [(code, id, fields) for id, fields in told[1] if id is not None]
        return found

    def _delivered(self, entries: Iterable[tuple[str, bytes, dict[bytes, bytes]]]) -> list[Delivered]:
        """What was asked for of these entries; the others are acknowledged."""
        found: list[Delivered] = []
        unasked: list[Delivered] = []
        for code, id, fields in entries:
            token = Token(code, id.decode())
            delivered = Delivered(token, self._read_entry(token, fields))
            (found if delivered.events else unasked).append(delivered)
        if unasked:
            self.done(unasked)
        self._resolve(found)
        return found

    def _read_entry(self, token: Token, fields: dict[bytes, bytes]) -> list[Event]:
        account = self._accounts.get(token.partition, "")
        try:
            events = events_of(token.partition, account, token.entry, fields)
            return [event for event in events if event.type in self.types]
        except (ValueError, KeyError, TypeError) as error:  # of a newer version, or broken
            log.error("event.unreadable", entry="".join(token), error=type(error).__name__)
            return []

    def _resolve(self, found: list[Delivered]) -> None:
        """Fill in what only the messages' rows know, all of them in one round trip."""
        places: defaultdict[tuple[str, str], list[tuple[list[Event], int, str]]] = defaultdict(list)
        for delivered in found:
            for at, event in enumerate(delivered.events):
                if event.message is not None:
                    id = event.message
                    places[id[:2], id[2:6]].append((delivered.events, at, id[6:]))
        if not places:
            return
        client = self._outbox.scripts.client

        def ask() -> Any:
            pipe = client.pipeline(transaction=False)
            for (code, bucket), members in places.items():
                pipe.hmget(f"cmq:{{{code}}}:rows:{bucket}", [tail for _, _, tail in members])
            return pipe.execute()

        for members, rows in zip(places.values(), self._outbox.scripts.guarded(ask), strict=True):
            for (events, at, _), packed in zip(members, rows, strict=True):
                if packed is not None:
                    events[at] = _with_row(events[at], packed)

    # --- acknowledging ---------------------------------------------------------------------------------

    def done(self, deliveries: Iterable[Delivered]) -> None:
        """Acknowledge: they are delivered to nobody of this group again. Raises OutboxUnavailable."""
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for token, _ in deliveries:
            ids[token.partition].append(token.entry)
        if not ids:
            return
        client = self._outbox.scripts.client

        def tell() -> None:
            pipe = client.pipeline(transaction=False)
            for code, entries in ids.items():
                pipe.xack(stream_of(code), self.group, *entries)
            pipe.execute()

        self._outbox.scripts.guarded(tell)

    def keep(self, deliveries: Sequence[Delivered]) -> None:
        """Say that these are still in hand, so that nobody takes them over; now and then is enough."""
        now = time.monotonic()
        if now - self._kept_at > self._take_over_ms / 4000:
            self._kept_at = now
            self._claim(deliveries, 0)

    def give_back(self, deliveries: Sequence[Delivered]) -> None:
        """Let the next reader have these at once."""
        self._claim(deliveries, _LONG_IDLE_MS)
        self._took_over_at = None

    def _claim(self, deliveries: Sequence[Delivered], idle_ms: int) -> None:
        client = self._outbox.scripts.client

        def tell() -> None:
            pipe = client.pipeline(transaction=False)
            for token, _ in deliveries:
                pipe.xclaim(
                    stream_of(token.partition),
                    self.group,
                    self._consumer,
                    0,
                    [token.entry],
                    idle=idle_ms,
                    justid=True,
                )
            pipe.execute()

        self._outbox.scripts.guarded(tell)

    # --- for apps --------------------------------------------------------------------------------------

    def events(self, *, wait: float | None = None) -> Iterator[Event]:
        """Event after event; each is acknowledged once the next one is asked for.

        Ends when nothing came for `wait` seconds, never when None. A loop that is left by `break` or an error
        gets the events of the entry it was in once more, the last one among them. Raises OutboxUnavailable.
        """
        idle_since = time.monotonic()
        while True:
            left = 1.0 if wait is None else idle_since + wait - time.monotonic()
            page = self.read(MOST, max(0.0, min(left, 1.0)))
            if page:
                yield from self._told(page)
                idle_since = time.monotonic()
            elif wait is not None and time.monotonic() - idle_since >= wait:
                return

    def _told(self, page: list[Delivered]) -> Iterator[Event]:
        """The events of a page, which is acknowledged behind them, a little later than each."""
        acknowledged, acknowledged_at = 0, time.monotonic()
        self._kept_at = acknowledged_at
        at = 0
        try:
            for at, delivered in enumerate(page):
                now = time.monotonic()
                if now - acknowledged_at > ACKNOWLEDGE_EVERY:
                    self.done(page[acknowledged:at])
                    acknowledged, acknowledged_at = at, now
                for event in delivered.events:
                    yield event
                    self.keep(page[acknowledged:])
            at = len(page)
        finally:
            if at == len(page):
                self.done(page[acknowledged:])
            else:
                with suppress(OutboxUnavailable):  # then they come to another reader, later
                    self.done(page[acknowledged:at])
                    self.give_back(page[at:])


def _with_row(event: Event, packed: bytes) -> Event:
    try:
        lane, extras = given_with(packed)
    except (UnknownFormat, KeyError):  # of a newer version
        return event
    return replace(
        event,
        lane=lane,
        client_reference=extras.get("client_reference"),
        campaign=extras.get("campaign"),
        metadata=extras.get("metadata"),
    )


def _says_missing(error: Exception) -> bool:
    """Whether Redis says that a group or its stream is not there."""
    return "NOGROUP" in str(error) or "requires the key to exist" in str(error)


def _code(stream: str) -> str:
    return stream[5:7]


def _paired(told: Any) -> list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]:
    """redis-py gives a list of pairs, or a mapping where it speaks the newer protocol."""
    return list(told.items()) if isinstance(told, dict) else [(stream, entries) for stream, entries in told]


def _raise(error: Exception) -> None:
    raise error
