"""The outbox for asyncio: every call of the other one, with the same arguments and answers."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from worlds import World

from cmqueue import AsyncOutbox, Content, IdempotencyConflict, InvalidMessage, Outbox, Receipt, Refusal
from cmqueue.settings import LibrarySettings
from cmqueue.testing import MemoryOutbox

HELLO = {"sender": "Acme", "to": "+31600000001", "text": "hi"}
T = TypeVar("T")

PUBLIC = {
    name: method
    for name, method in inspect.getmembers(Outbox, inspect.isfunction)
    if not name.startswith("_")
}


def run(world: World, work: Callable[[AsyncOutbox], Awaitable[T]]) -> T:
    """What `work` makes of the world's outbox."""

    async def main() -> T:
        return await work(AsyncOutbox.of(world.outbox))

    return asyncio.run(main())


@pytest.mark.parametrize("name", PUBLIC)
def test_it_mirrors_the_other(name: str) -> None:
    """The same names, the same arguments with the same defaults."""
    mine, its = (inspect.signature(getattr(one, name)) for one in (AsyncOutbox, Outbox))

    assert [(given.name, given.kind, given.default) for given in its.parameters.values()] == [
        (given.name, given.kind, given.default) for given in mine.parameters.values()
    ]


def test_one_message_through_its_life(world: World) -> None:
    """Enqueued, asked for, cancelled."""

    async def work(outbox: AsyncOutbox) -> tuple[Any, ...]:
        receipt = await outbox.enqueue(HELLO, lane="urgent", idempotency_key="a")
        again = await outbox.enqueue(HELLO, idempotency_key="a")
        status = await outbox.status(receipt.id)
        told = await outbox.explain(receipt.id)
        verdict = await outbox.cancel(receipt.id)
        audit = await outbox.audit(recount=True)
        return again == receipt._replace(duplicate=True), status, told, verdict, audit, receipt

    same, status, told, verdict, audit, receipt = run(world, work)

    assert same
    assert ("urgent", "queued", "cancelled") == (status.lane, status.state, verdict)
    assert "urgent" in told
    assert ({"cancelled": 1}, True) == (audit.as_json()["finished"], audit.balanced)
    assert ["cancelled"] == world.outbox.states([receipt.id])


def test_many_in_their_order(world: World) -> None:
    """More than a page of results; a bad one in its place."""
    items = [HELLO | {"text": str(n)} for n in range(1200)]
    items[700]["to"] = "oops"

    async def work(outbox: AsyncOutbox) -> list[Receipt | Refusal]:
        return [result async for result in outbox.enqueue_many(items)]

    results = run(world, work)

    assert 1200 == len(results)
    assert [700] == [result.position for result in results if isinstance(result, Refusal)]


def test_what_was_queued_is_told_before_what_went_wrong(world: World) -> None:
    """The caller's own iterable breaks off: the receipts before come out, then its error."""

    def broken() -> Iterator[dict[str, str]]:
        for n in range(1001):
            if n == 1000:
                raise OSError("no more")
            yield HELLO | {"text": str(n)}

    async def work(outbox: AsyncOutbox) -> int:
        told = 0
        with suppress(OSError):
            async for _ in outbox.enqueue_many(broken()):
                told += 1
        return told

    async_told, told = run(world, work), 0
    with suppress(OSError):
        for _ in world.outbox.enqueue_many(broken()):
            told += 1

    assert told == async_told


def test_a_broadcast(world: World) -> None:
    """With its account of each recipient."""

    async def work(outbox: AsyncOutbox) -> tuple[int, int, int]:
        sale = await outbox.broadcast(
            Content(sender="Acme", text="Sale"), ["+31600000001", "+31600000001", "oops"], campaign="sale"
        )
        return sale.enqueued, sale.duplicates, len(sale.refused)

    assert (1, 1, 1) == run(world, work)


def test_errors_are_the_same(world: World) -> None:
    """Those of the message, and those of the outbox."""

    async def work(outbox: AsyncOutbox) -> None:
        with pytest.raises(InvalidMessage):
            await outbox.enqueue(HELLO | {"to": "oops"})
        await outbox.enqueue(HELLO, idempotency_key="a")
        with pytest.raises(IdempotencyConflict):
            await outbox.enqueue(HELLO | {"text": "ho"}, idempotency_key="a")

    run(world, work)


def test_calls_run_beside_each_other(world: World) -> None:
    """Fifty at once, and each has its id."""

    async def work(outbox: AsyncOutbox) -> set[str]:
        receipts = await asyncio.gather(*(outbox.enqueue(HELLO) for _ in range(50)))
        return {receipt.id for receipt in receipts}

    assert 50 == len(run(world, work))


def test_an_outage_leaves_the_loops_threads_alone(memory: MemoryOutbox) -> None:
    """As many calls as wait for Redis, the app's own work in threads goes on."""
    waiting = threading.Event()
    memory.audit = lambda **_: waiting.wait(20)  # type: ignore[method-assign, assignment]

    async def work() -> str:
        outbox = AsyncOutbox.of(memory)
        calls = [asyncio.create_task(outbox.audit()) for _ in range(100)]
        told = await asyncio.wait_for(asyncio.to_thread(lambda: "done"), 10)
        waiting.set()
        await asyncio.gather(*calls)
        await outbox.close()
        return told

    assert "done" == asyncio.run(work())


def test_a_thread_has_the_callers_context(memory: MemoryOutbox) -> None:
    """What structlog has bound for a request is bound in its calls."""
    request = contextvars.ContextVar("request", default="none")
    heard: list[str] = []

    def messages() -> Iterator[dict[str, str]]:
        heard.append(request.get())
        yield HELLO

    async def work() -> None:
        request.set("seventeen")
        async for _ in AsyncOutbox.of(memory).enqueue_many(messages()):
            pass

    asyncio.run(work())
    assert ["seventeen"] == heard


def test_it_opens_and_closes(outbox: Outbox) -> None:
    """By itself, with settings of its own."""

    async def work() -> int:
        settings = LibrarySettings(redis_url=outbox.settings.redis_url)
        async with AsyncOutbox(settings) as own:
            assert settings is own.settings
            await own.enqueue(HELLO)
        return (await AsyncOutbox.of(outbox).audit()).enqueued

    assert 1 == asyncio.run(work())


def test_the_double_serves_it(memory: MemoryOutbox) -> None:
    """A test looks at the double, its subject uses the other side."""
    asyncio.run(AsyncOutbox.of(memory).enqueue(HELLO))

    assert ["hi"] == [message.text for message in memory.messages]
