"""The recount finds what counters alone would not."""

from __future__ import annotations

import pytest
from inside import Inside

from cmqueue import Content, Lane, Message, Outbox
from cmqueue.gate import Endpoint, GateRules
from cmqueue.partition import Partition
from cmqueue.settlement import Settlement
from cmqueue.state import Reason, State


@pytest.fixture
def busy(each_outbox: Outbox, partition: Partition) -> Outbox:
    """Messages in every place: lanes, a batch, the schedule, doubt, dead, finished, cancelled."""
    outbox = each_outbox
    outbox.broadcast(Content(sender="Acme", text="Sale"), [f"003160000{n:04}" for n in range(1200)])
    for n in range(6):
        outbox.enqueue(Message(sender="Acme", to=f"003160000{n:04}", text="Hi"), lane="urgent")
    partition.claim("first", [Lane.URGENT], lease=60)
    partition.mark("first", lease=60, earliest_expiry=2**31)
    states = [State.ACCEPTED, State.AMBIGUOUS, State.SCHEDULED, State.DEAD, State.QUEUED, State.REJECTED]
    fates = [Settlement(state, Reason.ACCEPTED, delay_ms=60_000) for state in states]
    partition.settle("first", fates, Endpoint("answered"), GateRules())
    partition.claim("second", [Lane.BULK], lease=60, limit=100)
    waiting = outbox.enqueue(Message(sender="Acme", to="0031600000007", text="Hi"))
    outbox.cancel(waiting.id)
    return outbox


def test_sound_books_balance(busy: Outbox) -> None:
    """Every place holds what its rows say."""
    audit = busy.audit(recount=True)
    assert (True, []) == (audit.balanced, audit.problems)


def test_a_tombstone_whose_row_was_dropped_is_no_problem(inside: Inside) -> None:
    """A lane stopped for longer than the retention still holds the job of what was cancelled in it."""
    inside.client.hset(inside.at("pauses"), "n", "stopped:202")
    receipt = inside.outbox.enqueue(Message(sender="Acme", to="0031600000007", text="Hi"))
    inside.outbox.cancel(receipt.id)
    inside.age_buckets()
    assert 1 == inside.partition.drop(60)

    audit = inside.outbox.audit(recount=True)
    assert (True, []) == (audit.balanced, audit.problems)


def test_a_lost_row_is_named(busy: Outbox, partition: Partition) -> None:
    """A job whose row is gone is told by its id and place, and the rows are too few."""
    job = busy.scripts.client.lindex(partition.prefix + "lane:b", 5)
    key = job[13:37].decode()
    busy.scripts.client.hdel(f"{partition.prefix}rows:{key[:4]}", key[4:])

    problems = busy.audit(recount=True).problems
    assert any(partition.code + key in problem and "no row" in problem for problem in problems)
    assert any("rows, where" in problem for problem in problems)


def test_a_job_in_two_places_is_named(busy: Outbox, partition: Partition) -> None:
    """The same message in its lane and in a batch would be sent twice."""
    client = busy.scripts.client
    job = client.lindex(partition.prefix + "batch:second", 0)
    client.lpop(partition.prefix + "lane:b")
    client.rpush(partition.prefix + "lane:b", job)

    problems = busy.audit(recount=True).problems
    name = partition.code + job[13:37].decode()
    assert any(name in problem and "another place" in problem for problem in problems)


def test_a_job_in_the_wrong_place_is_named(busy: Outbox, partition: Partition) -> None:
    """A finished message that still lies in a lane, without a tombstone."""
    client = busy.scripts.client
    job = client.lindex(partition.prefix + "lane:b", 3)
    key = job[13:37].decode()
    rows = f"{partition.prefix}rows:{key[:4]}"
    row = client.hget(rows, key[4:])
    client.hset(rows, key[4:], row[:1] + b"A" + row[2:])

    problems = busy.audit(recount=True).problems
    assert any(partition.code + key in problem and "its row says A" in problem for problem in problems)
