"""A steady, seeded load: singles, many at once, broadcasts; every lane, both guarantees.

Each call has idempotency keys and is repeated until Redis has it, as a web app would.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

from cmqueue import Content, Guarantee, Lane, Message, Outbox, Receipt
from cmqueue.errors import OutboxUnavailable

TICK = 0.1
NUMBERS = 1000  #: 0031600000xxx, which nobody has

T = TypeVar("T")


class Load:
    """Enqueues about `rate` messages a second in a thread of its own, until stopped."""

    def __init__(self, outbox: Outbox, chance: Random, rate: float) -> None:
        self._outbox = outbox
        self._chance = chance
        self._per_tick = rate * TICK
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")
        self._calls = 0
        self.ids: set[str] = set()  #: of every message that an enqueue returned an id for
        self.failures = 0  #: calls that Redis did not take at first
        self.problem = ""  #: what ended the load before its time

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No new call; returns once the last one is in."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        owed = 0.0
        try:
            while not self._stop.wait(TICK):
                owed += self._per_tick
                while owed > 0 and not self._stop.is_set():
                    owed -= self._call()
        except Exception as error:  # noqa: BLE001 - a load that ended unseen would make every promise look kept
            self.problem = f"the load ended: {type(error).__name__}"

    def _call(self) -> int:
        """One call of the library's; how many messages it enqueued."""
        chance = self._chance
        self._calls += 1
        lane, guarantee = chance.choice(list(Lane)).value, chance.choice(list(Guarantee))
        key = f"load-{self._calls}"
        way = chance.random()
        if way < 0.6:
            return self._single(lane, guarantee, key)
        size = chance.randint(5, 40)
        numbers = [_number(n) for n in chance.sample(range(NUMBERS), size)]
        if way < 0.8:
            items = [
                Message(
                    sender="Acme", to=number, text=f"Order {self._calls}/{n}", idempotency_key=f"{key}/{n}"
                )
                for n, number in enumerate(numbers)
            ]
            receipts = self._insist(
                lambda: list(self._outbox.enqueue_many(items, lane=lane, guarantee=guarantee))
            )
            self.ids.update(receipt.id for receipt in receipts if isinstance(receipt, Receipt))
        else:
            content = Content(sender="Acme", text=f"Sale {self._calls}")
            found = self._insist(
                lambda: self._outbox.broadcast(
                    content, numbers, lane=lane, guarantee=guarantee, idempotency_key=key
                )
            )
            self.ids.update(receipt.id for receipt in found)
        return size

    def _single(self, lane: str, guarantee: Guarantee, key: str) -> int:
        """One message; now and then one for later, one that will not live long, one that is taken back."""
        message = Message(
            sender="Acme", to=_number(self._chance.randrange(NUMBERS)), text=f"Code {self._calls}"
        )
        kind = self._chance.random()
        due = datetime.now(UTC) + timedelta(seconds=2) if kind < 0.05 else None
        receipt = self._insist(
            lambda: self._outbox.enqueue(
                message,
                lane=lane,
                guarantee=guarantee,
                idempotency_key=key,
                send_at=due,
                expires_in=3 if 0.05 < kind < 0.08 else None,
            )
        )
        self.ids.add(receipt.id)
        if 0.08 < kind < 0.11:
            self._insist(lambda: self._outbox.cancel(receipt.id))
        return 1

    def _insist(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return call()
            except OutboxUnavailable:
                self.failures += 1
                time.sleep(TICK)


def _number(n: int) -> str:
    return f"0031600000{n:03}"
