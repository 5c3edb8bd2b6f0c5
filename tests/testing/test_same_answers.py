"""The same calls in the same order: the real outbox and the double give the same answers, but for the ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from test_contract import ACCEPTED, DEAD, DOUBTED, GIVEN_BACK, REJECTED, RETRIED, SUPPRESSED
from worlds import MemoryWorld, RedisWorld, World

from cmqueue import CmqueueError, Content, Outbox, Receipt
from cmqueue.lane import Guarantee, Lane
from cmqueue.testing import MemoryOutbox

LATER = datetime.now(UTC) + timedelta(days=1)
FATES = [ACCEPTED, REJECTED, DEAD, RETRIED, DOUBTED, GIVEN_BACK, SUPPRESSED]
IDENTITY = re.compile(r"\b[A-Z2-7]{16}(?:[A-Z2-7]{10})?\b")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+\d\d:\d\d)")


def usually(*values: Any, rarely: Any) -> st.SearchStrategy[Any]:
    """One of the values; one time of ten what is refused: most of a run must get in, to meet one another."""
    return st.sampled_from([*values * (9 // len(values)), rarely])


keys = st.sampled_from([None, "a", "b"])
numbers = usually("+31600000001", "0031600000002", "+31600000003", rarely="oops")
messages = st.fixed_dictionaries(
    {"sender": st.just("Acme"), "to": numbers, "text": usually("hi", "ho", rarely="")},
    optional={
        "idempotency_key": keys,
        "expires_in": usually(3600, 7200, rarely=-1),
        "metadata": st.just({"n": 1}),
        "guarantee": st.sampled_from(Guarantee),
    },
)
options = st.fixed_dictionaries(
    {"lane": usually(*Lane, rarely="express")},
    optional={
        "send_at": st.just(LATER),
        "account": st.just("second"),
        "campaign": usually("sale", rarely=""),
    },
)
some = st.integers(0, 9)
steps = st.one_of(
    st.tuples(st.just("enqueue"), messages, options, keys),
    st.tuples(st.just("enqueue_many"), st.lists(messages, max_size=4), options),
    st.tuples(
        st.just("broadcast"),
        st.sampled_from(["Sale", "Other"]),
        st.lists(numbers, max_size=4),
        options,
        keys,
    ),
    st.tuples(st.just("cancel"), some),
    st.tuples(st.just("settle"), st.lists(st.sampled_from(FATES), min_size=1, max_size=3)),
    st.tuples(st.just("settle"), st.just([DOUBTED])),
    st.tuples(st.just("post"), some),
    st.tuples(st.sampled_from(["arrive", "end_doubt"])),
)


class Told:
    """What one world answered, with a number for each id and reference, in the order of their appearance."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ids: list[str] = []
        self._numbers: dict[str, int] = {}
        self._count = count()

    def number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = next(self._count)
            if len(name) == 26:
                self.ids.append(name)
        return self._numbers[name]

    def plain(self, text: str) -> str:
        return MOMENT.sub("T", IDENTITY.sub(lambda found: f"<{self.number(found[0])}>", text))

    def result(self, result: Any) -> Any:
        if isinstance(result, Receipt):
            return self.number(result.id), self.number(result.reference), result.duplicate
        return self.plain(str(result))

    def step(self, name: str, *given: Any) -> Iterator[Any]:
        """What there is to tell of one step."""
        try:
            yield from getattr(self, name)(*given)
        except CmqueueError as error:
            yield type(error).__name__, self.plain(str(error))

    def enqueue(self, message: dict[str, Any], options: dict[str, Any], key: str | None) -> Iterator[Any]:
        yield self.result(self.world.outbox.enqueue(message, idempotency_key=key, **options))

    def enqueue_many(self, items: list[dict[str, Any]], options: dict[str, Any]) -> Iterator[Any]:
        yield [self.result(result) for result in self.world.outbox.enqueue_many(items, **options)]

    def broadcast(
        self, text: str, numbers: list[str], options: dict[str, Any], key: str | None
    ) -> Iterator[Any]:
        content = Content(sender="Acme", text=text)
        sent = self.world.outbox.broadcast(content, numbers, idempotency_key=key, **options)
        yield self.number(sent.reference), sent.enqueued, sent.duplicates, len(sent)
        yield [self.result(result) for result in (*sent, *sent.refused)]

    def cancel(self, at: int) -> Iterator[Any]:
        if self.ids:
            yield self.world.outbox.cancel(self.ids[at % len(self.ids)])

    def settle(self, fates: list[Any]) -> Iterator[Any]:
        yield self.world.settle(lambda one: fates[self.number(one) % len(fates)])

    def post(self, at: int) -> Iterator[Any]:
        queued = [id for id in self.ids if self.world.outbox.states([id]) == ["queued"]]
        if queued:
            yield self.world.post(queued[at % len(queued)])

    def arrive(self) -> Iterator[Any]:
        yield self.world.arrive()

    def end_doubt(self) -> Iterator[Any]:
        yield self.world.end_doubt()

    def end(self) -> Iterator[Any]:
        """Where everything stands in the end."""
        outbox = self.world.outbox
        yield outbox.audit(recount=True).as_json()
        yield outbox.states(self.ids)
        for id in self.ids:
            status = outbox.status(id)
            yield self.plain(str(status and status.as_json()))
            yield self.plain(str(outbox.explain(id)))


def _fresh(outbox: Outbox) -> RedisWorld:
    outbox.scripts.client.flushall()
    outbox.registry.agree()
    return RedisWorld(outbox)


@settings(max_examples=120)
@given(steps=st.lists(steps, min_size=4, max_size=16))
def test_the_double_answers_as_the_real_one(outbox: Outbox, steps: list[tuple[Any, ...]]) -> None:
    """Receipts, refusals, errors, states, histories, explanations and books, after any calls in any order."""
    with MemoryOutbox() as memory:
        worlds: list[Callable[[], World]] = [lambda: _fresh(outbox), lambda: MemoryWorld(memory)]
        told = [Told(world()) for world in worlds]
        for name, *given in [*steps, ("end",)]:
            real, double = (list(one.step(name, *given)) for one in told)
            assert real == double, name
