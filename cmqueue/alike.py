"""One content to many recipients, each with a receipt of its own: a `msg` of CM's with several in its `to`.

As in a broadcast the content is stored once, and the recipients share a reference, so that it goes to CM once
too. Unlike in a broadcast a number that comes twice is two messages, as at CM, and a repeat is known by the
idempotency key of each place. (reference, number) names a message, so the second of two equal numbers has
another reference.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cmqueue import chunk
from cmqueue.channel import numbers_are_opaque
from cmqueue.chunk import Members, Shared, Slot
from cmqueue.errors import InvalidMessage, OutboxUnavailable
from cmqueue.identity import bucket_at, random_ends
from cmqueue.lane import Lane, lane_named
from cmqueue.message import Content, Options, parse_recipient
from cmqueue.outbox import Outbox
from cmqueue.partition import Partition
from cmqueue.receipt import Receipt, Refusal
from cmqueue.settings import DEFAULT_ACCOUNT
from cmqueue.verdict import result_of, verdicts


def enqueue_alike(
    outbox: Outbox,
    content: Content | Mapping[str, Any],
    recipients: Sequence[str],
    *,
    lane: str = "normal",
    account: str = DEFAULT_ACCOUNT,
    keys: Sequence[str | None] = (),
    **options: Any,
) -> list[Receipt | Refusal]:
    """Queue `content` to each of at most 1000 recipients; a result for each, in their order.

    `keys` are their idempotency keys, `options` those of `cmqueue.message.Options`. A bad recipient is a
    Refusal and stops no other, and so is a key that was used for another payload. Raises InvalidMessage for
    the content, OutboxUnavailable.
    """
    chosen, defaults = lane_named(lane), Options(**options)
    checked = content if isinstance(content, Content) else Content(**content)
    now = time.time()
    common = chunk.shared(checked, chosen, defaults, now)
    opaque, region = numbers_are_opaque(checked.channels), outbox.settings.default_region
    unkeyed, bucket = os.urandom(4), bucket_at(now)
    shards: dict[str, Alike] = {}
    found: list[Receipt | Refusal | None] = []
    for at, (recipient, name) in enumerate(zip(recipients, keys or [None] * len(recipients), strict=True)):
        try:
            number = parse_recipient(recipient, opaque=opaque, default_region=region)
        except InvalidMessage as error:
            found.append(Refusal(at, error.field, error.problem, error.rule))
            continue
        found.append(None)
        code = outbox.registry.partition_for(account, unkeyed if name is None else name.encode()).code
        alike = shards.get(code)
        if alike is None:
            place = code + bucket
            alike = shards[code] = Alike(
                common, chosen, account=account, place=place, keys=outbox.registry.keys
            )
        alike.add(at, number, name)
    wrote = False
    for code, alike in shards.items():
        try:
            reply = Partition(outbox.scripts, code).enqueue(alike.arguments(outbox.settings.key_life))
        except OutboxUnavailable as error:
            raise OutboxUnavailable(error.problem, maybe_enqueued=error.maybe_enqueued or wrote) from None
        wrote = True
        if reply[0]:  # the wake-up token was free
            outbox.waker.wake(chosen, code)
        for at, slot, verdict in zip(alike.places, alike.slots, verdicts(reply), strict=True):
            found[at] = result_of(at, slot, verdict)
    return [result for result in found if result is not None]


class Alike:
    """The recipients of one partition, made ready. `place` is partition and bucket, `keys` are secret."""

    def __init__(
        self, common: Shared, lane: Lane, *, account: str, place: str, keys: Sequence[bytes]
    ) -> None:
        self._common, self._lane = common, lane
        self._account, self._place, self._keys = account, place, keys
        self._times: Counter[str] = Counter()
        self._rounds: list[tuple[str, Members]] = []  # for the first of each number, for the second, …
        self.places: list[int] = []
        self.slots: list[Slot] = []

    def add(self, at: int, number: str, name: str | None) -> None:
        """The recipient at `at`, with its idempotency key."""
        reference, members = self._round(self._times[number])
        self._times[number] += 1
        tail, job = members.member(number)
        pairs = chunk.idempotency(self._keys, self._account, name, number, self._common.wire)
        self.places.append(at)
        self.slots.append(Slot(job, tail, reference, self._common.extras, *pairs))

    def _round(self, time: int) -> tuple[str, Members]:
        if time == len(self._rounds):
            random = random_ends(1)[0]
            made = Members(self._common, self._lane, place=self._place, random=random, key=self._keys[0])
            self._rounds.append((self._place + random, made))
        return self._rounds[time]

    def arguments(self, retention: int) -> list[Any]:
        return chunk.arguments(self.slots, retention=retention, common=self._common)
