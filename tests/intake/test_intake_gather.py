"""Requests that come together share a call of the outbox, and nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import pytest
import requests
from harness import TOKEN, eventually
from intake_process import IntakeProcess, msg, request_of, rows_of

from cmqueue import Lane, Outbox, OutboxUnavailable, Receipt
from demo.valkey import RunningServer
from listening.gather import MOST, Gathered, Gatherer
from producers.intake.way import Queued, Way

URGENT, BULK = (Way("default", lane, None, None) for lane in (Lane.URGENT, Lane.BULK))
PATIENCE = 10
Gathering: TypeAlias = Gatherer[Way, Any, Any]


def message(at: int) -> dict[str, Any]:
    return {"to": str(at)}


def receipts(messages: Sequence[Any]) -> list[Any]:
    return [Receipt(one["to"], "") for one in messages]


class Calls:
    """An outbox whose calls end when the test says so. It answers with a receipt that names the message."""

    def __init__(self) -> None:
        self.calls: list[tuple[Way, list[str]]] = []
        self.under_way = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.fail: Callable[[list[Any]], Queued] | None = None

    def enqueue(self, way: Way, messages: Sequence[Any]) -> Queued:
        self.calls.append((way, [one["to"] for one in messages]))
        self.under_way.release()
        assert self.go_on.acquire(timeout=PATIENCE)
        return Gathered(receipts(messages)) if self.fail is None else self.fail(list(messages))


def played(scene: Callable[[Gathering, Calls], Awaitable[None]]) -> Calls:
    """Run `scene` with a gatherer and its outbox."""
    outbox = Calls()

    async def play() -> None:
        with ThreadPoolExecutor(4) as threads:
            await scene(Gatherer(outbox.enqueue, threads), outbox)

    asyncio.run(asyncio.wait_for(play(), PATIENCE))
    return outbox


async def begun(gatherer: Gathering, outbox: Calls, way: Way, *messages: int) -> asyncio.Task[Queued]:
    """A request whose call is under way."""
    task = asyncio.create_task(gatherer.queue(way, [message(at) for at in messages]))
    assert await asyncio.to_thread(outbox.under_way.acquire, timeout=PATIENCE)
    return task


async def waiting(gatherer: Gathering, way: Way, *messages: int) -> asyncio.Task[Queued]:
    """A request that has to wait."""
    task = asyncio.create_task(gatherer.queue(way, [message(at) for at in messages]))
    await asyncio.sleep(0)  # let it begin
    return task


def test_what_comes_meanwhile_shares_the_next_call() -> None:
    """The first goes at once and alone; each is told of its own messages, in their order."""

    async def scene(gatherer: Gathering, outbox: Calls) -> None:
        first = await begun(gatherer, outbox, BULK, 1)
        second, third = await waiting(gatherer, BULK, 2, 3), await waiting(gatherer, BULK, 4)
        outbox.go_on.release(2)
        told = [await task for task in (first, second, third)]
        assert [["1"], ["2", "3"], ["4"]] == [[one[0] for one in queued.results] for queued in told]

    assert [["1"], ["2", "3", "4"]] == [tos for _, tos in played(scene).calls]


def test_another_way_waits_for_none() -> None:
    """What is urgent goes while a call of bulk is under way."""

    async def scene(gatherer: Gathering, outbox: Calls) -> None:
        bulk = await begun(gatherer, outbox, BULK, 1)
        urgent = await begun(gatherer, outbox, URGENT, 2)
        outbox.go_on.release(2)
        await asyncio.gather(bulk, urgent)

    assert {BULK, URGENT} == {way for way, _ in played(scene).calls}


def test_a_call_is_bounded() -> None:
    """A thousand messages, what goes into Redis in one step; the others go with the one after."""
    sizes = [1, 400, 400, 400]

    async def scene(gatherer: Gathering, outbox: Calls) -> None:
        tasks = [await begun(gatherer, outbox, BULK, 0)]
        tasks += [await waiting(gatherer, BULK, *range(size)) for size in sizes[1:]]
        outbox.go_on.release(3)
        assert sizes == [len((await task).results) for task in tasks]

    assert [1, 800, 400] == [len(tos) for _, tos in played(scene).calls]
    assert MOST == 1000


def test_a_failure_is_told_to_those_whose_messages_it_met() -> None:
    """Who has all results knows nothing of it; who lacks some has the error beside those it has."""
    error = OutboxUnavailable("gone", maybe_enqueued=True)

    async def scene(gatherer: Gathering, outbox: Calls) -> None:
        first = await begun(gatherer, outbox, BULK, 1)
        tasks = [await waiting(gatherer, BULK, *messages) for messages in ((2,), (3, 4), (5,))]
        outbox.go_on.release()
        await first
        outbox.fail = lambda messages: Gathered(receipts(messages)[:2], error)
        outbox.go_on.release()
        told = [await task for task in tasks]
        assert [(1, None), (1, error), (0, error)] == [(len(one.results), one.error) for one in told]

    played(scene)


def test_nobody_waits_for_ever() -> None:
    """Whatever a call raises, all that were in it are told, and the next one goes."""

    async def scene(gatherer: Gathering, outbox: Calls) -> None:
        def broken(_: list[Any]) -> Queued:
            raise ZeroDivisionError

        outbox.fail = broken
        first, second = await begun(gatherer, outbox, BULK, 1), await waiting(gatherer, BULK, 2)
        outbox.go_on.release(2)
        assert [ZeroDivisionError] * 2 == [type((await task).error) for task in (first, second)]
        outbox.fail = None
        outbox.go_on.release()
        assert (await gatherer.queue(BULK, [message(3)])).error is None

    played(scene)


def test_a_call_that_cannot_begin_holds_up_none_after_it() -> None:
    """No thread could be started, once: who asked is told, and the way is free again."""

    class Exhausted(ThreadPoolExecutor):
        failing = True

        def submit(self, *given: Any, **named: Any) -> Any:
            if self.failing:
                self.failing = False
                raise RuntimeError("can't start new thread")
            return super().submit(*given, **named)

    async def play() -> None:
        with Exhausted(1) as threads:
            gatherer = Gatherer(lambda _, messages: Gathered(receipts(messages)), threads)
            first, second = await asyncio.gather(*(gatherer.queue(BULK, [message(at)]) for at in (1, 2)))
            assert (RuntimeError, None) == (type(first.error), second.error)
            assert ["2"] == [one[0] for one in second.results]

    asyncio.run(asyncio.wait_for(play(), PATIENCE))


def test_a_request_that_is_given_up_harms_no_other() -> None:
    """Its messages go all the same; nobody is told of them."""

    async def scene(gatherer: Gathering, outbox: Calls) -> None:
        first = await begun(gatherer, outbox, BULK, 1)
        second, third = await waiting(gatherer, BULK, 2), await waiting(gatherer, BULK, 3)
        second.cancel()
        outbox.go_on.release(2)
        await first
        assert ["3"] == [one[0] for one in (await third).results]
        with pytest.raises(asyncio.CancelledError):
            await second

    assert ["2", "3"] == played(scene).calls[1][1]


def test_many_clients_at_once_get_their_own_answers(intake: IntakeProcess) -> None:
    """Good and bad, keyed and not, in one call or several: each answer is of its own request."""
    before = len(intake.events("request.accepted"))

    def ask(at: int) -> None:
        numbers = [f"0031600000{at:03}", "bad" if at % 3 else f"0031600001{at:03}"]
        document = request_of(msg(*numbers, text=f"no {at}", reference=f"r{at}"))
        headers = {"X-CM-PRODUCTTOKEN": TOKEN} | ({"Idempotency-Key": f"gather{at}"} if at % 2 else {})
        url = f"{intake.url}/v1.0/message"
        session = requests.Session()
        session.trust_env = False
        with session:
            for _ in range(2):
                answer = session.post(url, json=document, headers=headers, timeout=30)
                codes = [(numbers[0], "Accepted", 0)]
                codes.append((numbers[1], "Rejected", 303) if at % 3 else (numbers[1], "Accepted", 0))
                assert codes == rows_of(answer)
                assert {f"r{at}"} == {row["reference"] for row in answer.json()["messages"]}

    with ThreadPoolExecutor(24) as clients:
        for _ in clients.map(ask, range(48)):
            pass

    events = intake.events("request.accepted")[before:]
    assert 96 == len(events)
    ids = [id for event in events for id in event["ids"]]
    duplicates = sum(event["duplicates"] for event in events)
    assert len(set(ids)) == len(ids) - duplicates
    assert sum(2 - bool(at % 3) for at in range(48) if at % 2) == duplicates


def test_small_requests_wait_for_a_silent_redis(
    own_redis: RunningServer, own_queue: Outbox, start: Callable[..., IntakeProcess]
) -> None:
    """They take no room: more of them than there is room for large ones, and none is refused for that."""
    intake = start(own_redis.url)
    intake.post(request_of(msg("0031600000001")))
    own_queue.scripts.client.execute_command("CLIENT", "PAUSE", "60000", "WRITE")

    def ask(at: int) -> requests.Response:
        url, headers = f"{intake.url}/v1.0/message", {"X-CM-PRODUCTTOKEN": TOKEN}
        return requests.post(url, json=request_of(msg(f"0031600000{at:03}")), headers=headers, timeout=60)

    with ThreadPoolExecutor(100) as clients:
        answers = clients.map(ask, range(100))
        eventually(lambda: intake.events("request.refused"))  # the first call has given up
        own_queue.scripts.client.execute_command("CLIENT", "UNPAUSE")
        told = list(answers)

    assert not any("Too many" in answer.json()["details"] for answer in told)
    accepted = sum(answer.status_code == 200 for answer in told)
    assert accepted == sum(len(event["ids"]) for event in intake.events("request.accepted")) - 1


def test_a_crowd_shares_its_content(
    own_redis: RunningServer, own_queue: Outbox, start: Callable[..., IntakeProcess]
) -> None:
    """Many recipients of a msg: rows, ids and keys are each one's own, the content lies in Redis once."""
    intake, queue = start(own_redis.url), own_queue
    crowd = [f"0031600000{at:03}" for at in range(300, 325)] + ["bad", "0031600000300"]
    document = request_of(
        msg("0031600000001", text="alone"), msg(*crowd, text="to all", reference="sale"), msg("+447700900001")
    )

    first, again = (intake.post(document, Idempotency_Key="crowd", Cmqueue_Ids="1") for _ in range(2))

    assert (200, 201) == (first.status_code, first.json()["errorCode"])
    numbers = ["0031600000001", *crowd, "+447700900001"]
    assert [(to, 303 if to == "bad" else 0) for to in numbers] == [
        (row["to"], row["messageErrorCode"]) for row in first.json()["messages"]
    ]
    assert first.json() == again.json()
    ids = [row["id"] for row in first.json()["messages"] if "id" in row]
    assert len(numbers) - 1 == len(set(ids)) == queue.audit().enqueued
    partition = queue.registry.partition("default")
    assert [b"26"] == queue.scripts.client.hvals(f"{partition.prefix}content_refs")
    status = queue.status(ids[5])
    assert status is not None
    assert "sale" == status.client_reference
    assert queue.audit(recount=True).balanced


def test_a_crowd_whose_options_are_wrong_is_told_by_row(intake: IntakeProcess) -> None:
    """What the library refuses of what they share is a row's fault for each of them."""
    crowd = [f"0031600000{at:03}" for at in range(300, 325)]

    answer = intake.post(request_of(msg(*crowd, reference="r" * 65)))

    assert [(to, "Rejected", 305) for to in crowd] == rows_of(answer)
