"""Lanes that nobody claims from: what a container's health depends on."""

from __future__ import annotations

import pytest

from cmqueue import Lane, Message, Outbox
from cmqueue.partition import Partition


@pytest.fixture
def backlog(each_outbox: Outbox, partition: Partition) -> Outbox:
    each_outbox.enqueue(Message(sender="Acme", to="0031600000001", text="Hi"), lane="bulk")
    return each_outbox


def set_pulse(outbox: Outbox, partition: Partition, seconds_ago: float) -> None:
    now, _ = outbox.scripts.client.time()
    outbox.scripts.client.hset(partition.prefix + "pulse", "b", int((now - seconds_ago) * 1000))


def test_a_backlog_without_a_claim_is_neglected(backlog: Outbox, partition: Partition) -> None:
    """Queued for longer than the patience since the last claim."""
    set_pulse(backlog, partition, 61)
    assert [Lane.BULK] == partition.neglected(list(Lane), 60)


def test_a_recent_claim_is_enough(backlog: Outbox, partition: Partition) -> None:
    """Somebody claimed within the patience."""
    set_pulse(backlog, partition, 30)
    assert [] == partition.neglected(list(Lane), 60)


def test_a_hold_explains_a_backlog(backlog: Outbox, partition: Partition) -> None:
    """A paused lane, or a closed gate, is no neglect."""
    set_pulse(backlog, partition, 61)
    client = backlog.scripts.client
    client.hset(partition.prefix + "pauses", "b", "stopped:413")
    assert [] == partition.neglected(list(Lane), 60)

    client.delete(partition.prefix + "pauses")
    now, _ = client.time()
    client.hset(partition.prefix + "gate", mapping={"closed": "brake", "until": (now + 30) * 1000})
    assert [] == partition.neglected(list(Lane), 60)


def test_an_empty_lane_is_not_neglected(partition: Partition) -> None:
    """Nothing to claim."""
    assert [] == partition.neglected(list(Lane), 60)
