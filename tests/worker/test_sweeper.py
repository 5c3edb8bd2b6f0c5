"""The sweeper in its process: whom it leaves alone and for how long, and what does not stop it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from harness import TOKEN
from outbox.inside import Inside
from structlog.testing import capture_logs

import worker.sweeper
from cmqueue import Message, Outbox, Receipt, State
from cmqueue.claim import Batch
from cmqueue.lane import Lane
from cmqueue.partition import Partition
from config.settings import WorkerSettings
from worker.drain import Drain
from worker.journal import Journal
from worker.sweeper import SCAN_EVERY, Sweeper

NOBODY = "http://127.0.0.1:9/"
TWO_ACCOUNTS = f'{{"default": "{TOKEN}", "shop": "{TOKEN}"}}'


def sweeper_of(outbox: Outbox, **settings: str) -> Sweeper:
    """A sweeper with a drain that nobody wakes."""
    outbox.waker.wake = lambda *_: True  # type: ignore[method-assign]
    given = {"CMQUEUE_PRODUCT_TOKEN": TOKEN, "CMQUEUE_ENDPOINT": NOBODY} | settings
    made = WorkerSettings.from_env(given)
    return Sweeper(Drain(outbox, made, list(Lane), 4), made)


def enqueue(outbox: Outbox, **options: Any) -> str:
    receipt = outbox.enqueue(Message(sender="Acme", to="+31600000001", text="Hi"), **options)
    assert isinstance(receipt, Receipt)
    return receipt.id


def posting(partition: Partition, batch: str = "x") -> None:
    """A batch that is being posted, and whose lease has ended."""
    claimed, _ = partition.claim(batch, list(Lane), lease=60)
    assert isinstance(claimed, Batch)
    partition.mark(batch, lease=0, earliest_expiry=0)


@pytest.mark.parametrize(("timeout", "seconds"), [("2", 5), ("10", 12)])
def test_a_sweeper_that_starts_leaves_holders_the_time_to_settle(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, timeout: str, seconds: int
) -> None:
    """
    Redis may just be back: a holder asks again within its call's time and a second. Then it reclaims.
    """
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(worker.sweeper, "time", SimpleNamespace(monotonic=lambda: clock.now))
    partition = outbox.registry.partition("default")
    enqueue(outbox)
    posting(partition)
    sweeper = sweeper_of(outbox, CMQUEUE_REDIS_TIMEOUT=timeout)
    sweeper.stop()  # its thread ends at once: the test sweeps
    sweeper.start()

    found = []
    for clock.now in (1000.0, 1000.0 + seconds - 0.1, 1000.0 + seconds):
        sweeper.sweep(partition, Journal(partition.code, "default", b"key"), 1)
        found.append(bool(partition.members("x")))

    assert [True, True, False] == found


def state(outbox: Outbox, id: str) -> State:
    status = outbox.status(id)
    assert status is not None
    return status.state


def test_what_fails_in_one_partition_fails_in_no_other(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The sweep goes on with the next one, and the line says which it was.
    """
    partitions = [outbox.registry.partition(account) for account in ("default", "shop")]
    ids = [enqueue(outbox, account=account) for account in ("default", "shop")]
    for partition in partitions:
        posting(partition)
    wrong = partitions[0].code
    told = Journal.lease_lost

    def lease_lost(journal: Journal, *args: Any) -> None:
        if journal.partition == wrong:
            raise LookupError
        told(journal, *args)

    monkeypatch.setattr(Journal, "lease_lost", lease_lost)

    with capture_logs() as lines:
        sweeper_of(outbox, CMQUEUE_ACCOUNTS=TWO_ACCOUNTS)._tick(1)

    assert [State.POSTING, State.AMBIGUOUS] == [state(outbox, id) for id in ids]
    assert [("default", wrong)] == [
        (line["account"], line["partition"]) for line in lines if line["event"] == "sweep.failed"
    ]


def test_what_redis_refuses_in_one_partition_it_takes_in_another(outbox: Outbox) -> None:
    """
    A key of another type, where only one account's messages lie: the others' time goes on.
    """
    partitions = [outbox.registry.partition(account) for account in ("default", "shop")]
    ids = [enqueue(outbox, account=account) for account in ("default", "shop")]
    for partition in partitions:
        posting(partition)
    outbox.scripts.client.set(partitions[0].prefix + "due", "not a sorted set")

    with capture_logs() as lines:
        sweeper_of(outbox, CMQUEUE_ACCOUNTS=TWO_ACCOUNTS)._tick(1)

    assert State.AMBIGUOUS is state(outbox, ids[1])
    assert [partitions[0].code] == [line["partition"] for line in lines if line["event"] == "sweep.failed"]


def test_doubt_about_a_newer_versions_message_is_told(outbox: Outbox) -> None:
    """
    A batch that a newer worker was posting: this version can't read the job, but whom it is about.
    """
    partition, client = outbox.registry.partition("default"), outbox.scripts.client
    id = enqueue(outbox, lane="bulk")
    packed = client.lindex(partition.prefix + "lane:b", 0)
    client.lset(partition.prefix + "lane:b", 0, b"2" + packed[1:])
    posting(partition)

    with capture_logs() as lines:
        sweeper_of(outbox)._tick(1)

    assert State.AMBIGUOUS is state(outbox, id)
    (line,) = [line for line in lines if line["event"] == "message.ambiguous"]
    reference = partition.code + packed[13:17].decode() + packed[37:47].decode()
    assert (id, reference) == (line["id"], line["reference"])


def test_time_passes_for_an_account_that_no_worker_knows(outbox: Outbox) -> None:
    """
    Its messages expire and its doubt ends, though nobody can send; nobody is woken, and it is told of once.
    """
    inside = Inside(outbox, outbox.registry.partition("typo"))
    doubtful = enqueue(outbox, account="typo")
    posting(inside.partition)
    expired, waits = (enqueue(outbox, account="typo") for _ in range(2))
    inside.expire(expired[2:])
    inside.client.delete(inside.at("wake:n"))
    sweeper = sweeper_of(outbox)
    woken: list[Any] = []
    outbox.waker.wake = lambda *args: bool(woken.append(args))  # type: ignore[func-returns-value, method-assign]

    with capture_logs() as lines:
        for tick in (1, SCAN_EVERY):
            inside.end_doubt()
            sweeper._tick(tick)

    assert [State.UNKNOWN, State.EXPIRED, State.QUEUED] == [
        state(outbox, id) for id in (doubtful, expired, waits)
    ]
    assert ([], 0) == (woken, inside.client.exists(inside.at("wake:n")))
    assert ["typo"] == [line["account"] for line in lines if line["event"] == "account.unknown"]
