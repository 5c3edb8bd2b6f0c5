"""A web app in the world: puts messages in, asks again where it may, and takes some back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from math import inf
from random import Random
from typing import Any

from laws import Laws, Wanted
from simulated_cm import CM
from simulated_redis import VirtualOutbox
from virtual_time import World

from cmqueue import Message
from cmqueue.errors import OutboxUnavailable
from cmqueue.lane import Guarantee, Lane

KILLER = "0031600000999"
CULPRIT = "0031600000998"
STRANGER = "0031600000997"


class Callers:
    """One process that enqueues; each message has a number of its own."""

    def __init__(self, world: World, laws: Laws, cm: CM, *, odd: list[str], cancels: bool) -> None:
        self._world, self._laws, self._cm = world, laws, cm
        self._chance: Random = world.chance("web")
        self._numbers: Iterator[str] = (f"0031600000{number:03}" for number in range(1, 990))
        self._odd = odd  #: numbers that mean trouble, each sent to once
        self._cancels = cancels

    def call(self, outbox: VirtualOutbox) -> None:
        """A few calls of all kinds."""
        chance = self._chance
        ids: list[str] = []
        for _ in range(chance.randint(3, 9)):
            numbers = [next(self._numbers) for _ in range(chance.choice((1, 1, 2, 7, 25)))]
            if self._odd:
                numbers.append(self._odd.pop())
            if chance.random() < 0.5:
                self._cm.never |= {numbers[0]}
            ids += self._enqueue(outbox, numbers)
            self._world.pause(chance.choice((0.0, 0.01, 1.0, 7.0)))
            if self._cancels and ids:
                self._cancel(outbox, chance.choice(ids))

    def _enqueue(self, outbox: VirtualOutbox, numbers: list[str]) -> list[str]:
        """Ask for one message to each number until it is known to be in, if the call has a key."""
        chance, world = self._chance, self._world
        lane = chance.choice(list(Lane))
        guarantee = chance.choice((None, *Guarantee))
        # A culprit stops its lane until it expires: then nothing may wait for days.
        expires_in = chance.choice((0.9, 5, 40, 100, 60 if self._cm.culprits else None))
        later = chance.choice((0, 0, 0, 3, 20))
        key = f"key {numbers[0]}" if chance.random() < 0.5 else None
        together = len(numbers) > 1 and chance.random() < 0.6
        options: dict[str, Any] = {"lane": lane, "guarantee": guarantee, "expires_in": expires_in}
        if later:
            options["send_at"] = datetime.fromtimestamp(world.now + later, UTC)
        kept = (guarantee or lane.rules.guarantee) is Guarantee.AT_LEAST_ONCE
        wants = [Wanted(number, lane, kept, expires_by=inf) for number in numbers]
        self._laws.want(wants)
        self._laws.note(f"wants {len(numbers)} {lane} {guarantee} {expires_in} {later} {key}")
        life = (
            later + (lane.rules.maximum_age if expires_in is None else expires_in) + 2
        )  # due time and life are rounded up
        while True:
            try:
                if together:
                    content = {"sender": "Acme", "text": "Sale"}
                    told = outbox.broadcast(content, numbers, idempotency_key=key, **options)
                    for wanted, receipt in zip(wants, told, strict=True):
                        wanted.told(receipt.id, world.now + life)
                else:
                    for wanted in wants:
                        own = key and f"{key} {wanted.number}"
                        message = Message(sender="Acme", to=wanted.number, text="hi", idempotency_key=own)
                        wanted.told(outbox.enqueue(message, **options).id, world.now + life)
                return [wanted.id for wanted in wants if wanted.id]
            except OutboxUnavailable as error:
                self._laws.note(f"was told: {error.problem}")
                if key is None:
                    wants[0].refused = len(wants) == 1 and not error.maybe_enqueued
                    return [wanted.id for wanted in wants if wanted.id]
                world.pause(1.0)

    def _cancel(self, outbox: VirtualOutbox, id: str) -> None:
        try:
            verdict = outbox.cancel(id)
        except OutboxUnavailable:
            return
        self._laws.note(f"cancel {id}: {verdict}")
        if verdict == "cancelled":
            self._laws.cancelled(id)
