"""Django: what is enqueued on commit goes out of a transaction that is committed, and of no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from django.db import transaction
from django.test import Client
from shop_urls import HELLO

from cmqueue import IdempotencyConflict, InvalidMessage, OutboxUnavailable, Receipt, UnknownLane
from cmqueue.integrations.django import OnCommit, enqueue_on_commit, use
from cmqueue.testing import MemoryOutbox


@pytest.fixture(autouse=True)
def _in_use(memory: MemoryOutbox) -> Iterator[None]:
    """The process's outbox is the double."""
    with use(memory):
        yield


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "cmqueue"]


def rolled_back(message: dict[str, str]) -> OnCommit:
    """What becomes of a message in a block that an exception ends."""
    with suppress(RuntimeError), transaction.atomic():
        waiting = enqueue_on_commit(message)
        raise RuntimeError
    return waiting


def test_it_goes_with_the_commit(memory: MemoryOutbox) -> None:
    """Not before; then there is a receipt."""
    with transaction.atomic():
        waiting = enqueue_on_commit(HELLO, lane="urgent", expires_in=60)
        assert ([], None) == (memory.messages, waiting.receipt)

    (message,) = memory.messages
    assert ("urgent", message.id) == (message.lane, waiting.receipt and waiting.receipt.id)
    assert waiting.error is None


def test_nothing_goes_out_of_a_rollback(memory: MemoryOutbox) -> None:
    """Whether the transaction is rolled back by an exception or by word."""
    by_exception = rolled_back(HELLO)
    with transaction.atomic():
        by_word = enqueue_on_commit(HELLO)
        transaction.set_rollback(True)

    assert [] == memory.messages
    assert (None, None) == (by_exception.receipt, by_word.receipt)


def test_a_savepoint_takes_its_messages_along(memory: MemoryOutbox) -> None:
    """The part that is rolled back sends nothing, the rest does."""
    with transaction.atomic():
        enqueue_on_commit(HELLO | {"text": "outer"})
        rolled_back(HELLO | {"text": "inner"})

    assert ["outer"] == [message.text for message in memory.messages]


def test_without_a_transaction_it_goes_at_once(memory: MemoryOutbox) -> None:
    """As Django's own on_commit does."""
    waiting = enqueue_on_commit(HELLO)

    assert waiting.receipt is not None
    assert 1 == len(memory.messages)


def test_a_database_has_transactions_of_its_own(memory: MemoryOutbox) -> None:
    """`using` names the one that is waited for."""
    with transaction.atomic(using="other"):
        enqueue_on_commit(HELLO, using="other")
        enqueue_on_commit(HELLO)  # no transaction is open on the default one
        assert 1 == len(memory.messages)

    assert 2 == len(memory.messages)


def test_what_is_wrong_is_told_inside_the_transaction(memory: MemoryOutbox) -> None:
    """While it can still be rolled back."""
    for wrong in ({"to": "oops"}, {"expires_in": -1}, {"validity": "2020-01-01 00:00:00"}):
        with pytest.raises(InvalidMessage), transaction.atomic():
            enqueue_on_commit(HELLO | wrong)
    with pytest.raises(InvalidMessage), transaction.atomic():
        enqueue_on_commit(HELLO, expires_in=-1)
    with pytest.raises(UnknownLane), transaction.atomic():
        enqueue_on_commit(HELLO, lane="express")

    assert [] == memory.messages


def test_what_was_checked_is_what_goes(memory: MemoryOutbox) -> None:
    """Changing a mapping or its metadata afterwards changes nothing."""
    message, metadata = HELLO.copy(), {"n": 1}
    with transaction.atomic():
        enqueue_on_commit(message, metadata=metadata)
        message["text"], metadata["n"] = "changed", 2

    assert [("hi", {"n": 1})] == [(message.text, message.metadata) for message in memory.messages]


def test_then_gets_the_receipt(memory: MemoryOutbox) -> None:
    """After the commit, to keep the id."""
    told: list[Receipt] = []
    with transaction.atomic():
        waiting = enqueue_on_commit(HELLO, then=told.append)
        assert [] == told

    assert [waiting.receipt] == told


def test_a_repeat_of_its_key_is_the_first(memory: MemoryOutbox) -> None:
    """So a request that is repeated after an error sends nothing twice."""
    first, second = (enqueue_on_commit(HELLO, idempotency_key="order-1") for _ in range(2))

    assert first.receipt is not None
    assert first.receipt._replace(duplicate=True) == second.receipt


def test_redis_away_after_the_commit_is_raised(
    memory: MemoryOutbox, caplog: pytest.LogCaptureFixture
) -> None:
    """And logged, with whether the message may be in."""
    with memory.away(maybe_enqueued=True), pytest.raises(OutboxUnavailable), transaction.atomic():
        waiting = enqueue_on_commit(HELLO)

    assert isinstance(waiting.error, OutboxUnavailable)
    assert ["enqueue.failed"] == events(caplog)
    (record,) = caplog.records
    assert ("OutboxUnavailable", True, "normal") == (
        record.error,  # type: ignore[attr-defined]
        record.maybe_enqueued,  # type: ignore[attr-defined]
        record.lane,  # type: ignore[attr-defined]
    )


def test_robust_goes_on(memory: MemoryOutbox, caplog: pytest.LogCaptureFixture) -> None:
    """The error is kept and logged, and the callbacks behind it run."""
    ran = []
    with memory.away(), transaction.atomic():
        waiting = enqueue_on_commit(HELLO, robust=True, then=lambda _: ran.append("then"))
        transaction.on_commit(lambda: ran.append("next"))

    assert isinstance(waiting.error, OutboxUnavailable)
    assert (None, ["next"], ["enqueue.failed"]) == (waiting.receipt, ran, events(caplog))


def test_a_conflict_of_keys_shows_with_the_commit(memory: MemoryOutbox) -> None:
    """Only Redis knows the key."""
    enqueue_on_commit(HELLO, idempotency_key="a")

    with pytest.raises(IdempotencyConflict), transaction.atomic():
        enqueue_on_commit(HELLO | {"text": "ho"}, idempotency_key="a")


@pytest.mark.parametrize(
    ("how", "messages"), [("commits", 1), ("robust", 1), ("rolls-back", 0), ("raises", 0)]
)
def test_with_a_transaction_for_each_request(memory: MemoryOutbox, how: str, messages: int) -> None:
    """ATOMIC_REQUESTS: the message goes with the request's own commit."""
    client = Client(raise_request_exception=False)

    answer = client.get(f"/order/{how}")

    assert (500 if how == "raises" else 200) == answer.status_code
    assert messages == len(memory.messages)


@pytest.mark.parametrize(("how", "status"), [("commits", 500), ("robust", 200)])
def test_a_request_while_redis_is_away(memory: MemoryOutbox, how: str, status: int) -> None:
    """The data are committed either way: robust answers as if all were well, else the caller sees a 500."""
    client = Client(raise_request_exception=False)

    with memory.away():
        assert status == client.get(f"/order/{how}").status_code


def test_threads_have_transactions_of_their_own(memory: MemoryOutbox) -> None:
    """One outbox serves them all."""
    ready = threading.Barrier(4)

    def work(n: int) -> None:
        with transaction.atomic():
            enqueue_on_commit(HELLO | {"text": str(n)})
            ready.wait(10)
            transaction.set_rollback(n % 2 == 1)
        transaction.get_connection().close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {"0", "2"} == {message.text for message in memory.messages}
