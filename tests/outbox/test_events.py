"""What the app is told of messages: every move into an end or into doubt, once, where somebody subscribed."""

from __future__ import annotations

from collections import Counter

import pytest
from inside import (
    ACCEPTED,
    DEAD,
    DOUBTED,
    REJECTED,
    RETRIED,
    Inside,
    key_of,
)

from cmqueue import Lane, Message, State
from cmqueue.events.event import INBOUND_RECEIVED, TYPES, Event, events_of, news
from cmqueue.report import Report, merge
from cmqueue.settlement import Settlement

NUMBER = "0031600000001"


@pytest.fixture(autouse=True)
def _subscribed(inside: Inside) -> None:
    inside.client.xgroup_create(inside.at("events"), "shop", mkstream=True)


def _told(inside: Inside) -> list[Event]:
    return [
        event
        for entry, fields in inside.client.xrange(inside.at("events"))
        for event in events_of(inside.partition.code, "default", entry.decode(), fields)
    ]


def _enqueued(inside: Inside, count: int = 1, **options: object) -> list[str]:
    messages = [Message(sender="Acme", to=NUMBER, text=f"{n}") for n in range(count)]
    return [result.id for result in inside.outbox.enqueue_many(messages, **options)]  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize(
    ("fate", "states"),
    [
        (ACCEPTED, [State.ACCEPTED]),
        (REJECTED, [State.REJECTED]),
        (DEAD, [State.DEAD]),
        (DOUBTED, [State.AMBIGUOUS]),
        (RETRIED, []),
    ],
    ids=lambda fate: getattr(fate, "state", ""),
)
def test_a_settlement_is_told_where_it_ends_or_doubts(
    inside: Inside, fate: Settlement, states: list[State]
) -> None:
    """One event for each message, with what the row says; a retry is none of the app's business."""
    ids = _enqueued(inside, 3)
    inside.deliver(fate=fate)

    told = _told(inside)

    assert [(id, state) for id in ids for state in states] == [(one.message, one.state) for one in told]
    assert all(one.before is State.QUEUED and one.code == fate.code for one in told)
    assert len(told) == len({one.id for one in told})


def test_a_thousand_moves_are_one_entry(inside: Inside) -> None:
    """What one script moves is told in one entry, so events cost a drain next to nothing."""
    _enqueued(inside, 1000)
    inside.deliver()

    assert 1 == inside.client.xlen(inside.at("events"))
    assert Counter({"message.accepted": 1000}) == Counter(one.type for one in _told(inside))


def test_the_reference_is_the_one_on_the_wire(inside: Inside) -> None:
    """Settled, reported or expired: the event has the message's own reference where it is known."""
    receipts = [inside.outbox.enqueue(Message(sender="Acme", to=NUMBER, text="hi")) for _ in range(2)]
    inside.deliver(limit=1)
    merge(inside.outbox, [Report(receipts[0].reference, NUMBER, 2)])
    inside.expire()
    inside.claim()

    first, second = (receipt.reference for receipt in receipts)
    assert [
        (first, State.ACCEPTED),
        (first, State.DELIVERED),
        (second, State.EXPIRED),
    ] == [(one.reference, one.state) for one in _told(inside)]


def test_a_cancelled_message_is_told_without_its_reference(inside: Inside) -> None:
    """Its job lies somewhere in the lane, and is not searched for."""
    (id,) = _enqueued(inside)
    inside.outbox.cancel(id)

    assert [(id, None, State.CANCELLED)] == [(one.message, one.reference, one.state) for one in _told(inside)]


def test_doubt_and_its_end_are_told(inside: Inside) -> None:
    """Ambiguous, then unknown; a late answer corrects it, and is told too."""
    (id,) = _enqueued(inside, lane="bulk")
    inside.deliver(Lane.BULK, fate=DOUBTED)
    inside.end_doubt()
    inside.sweep()
    inside.partition.prove([(key_of(id), ACCEPTED)])

    assert [
        (State.QUEUED, State.AMBIGUOUS),
        (State.AMBIGUOUS, State.UNKNOWN),
        (State.UNKNOWN, State.ACCEPTED),
    ] == [(one.before, one.state) for one in _told(inside)]


def test_a_repeat_is_not_told_again(inside: Inside) -> None:
    """A settlement or a report that comes twice changes nothing, and is told once."""
    receipt = inside.outbox.enqueue(Message(sender="Acme", to=NUMBER, text="hi"))
    batch = inside.batch()
    inside.mark(batch)
    inside.settle(batch, ACCEPTED)
    inside.settle(batch, ACCEPTED)
    for _ in range(2):
        merge(inside.outbox, [Report(receipt.reference, NUMBER, 3, error=23)] * 2)

    told = _told(inside)
    assert [(State.ACCEPTED, 0), (State.FAILED, 23)] == [(one.state, one.code) for one in told]


def test_nobody_subscribed_nothing_is_written(inside: Inside) -> None:
    """Without a subscription the stream does not come about."""
    inside.client.delete(inside.at("events"))
    _enqueued(inside)
    inside.deliver()

    assert not inside.client.exists(inside.at("events"))


def test_what_people_send_is_told_as_it_was_written() -> None:
    """An inbound message comes back whole, and its repr shows neither number nor text."""
    data = {"from": NUMBER, "text": "já graag"}
    key = "ABCD" + "E" * 20

    (event,) = events_of("AA", "default", "5-1", news(INBOUND_RECEIVED, at=1.5, data=data, key=key))

    assert (INBOUND_RECEIVED, 1.5, "AA" + key, data) == (event.type, event.at, event.message, event.data)
    assert NUMBER not in repr(event)
    assert "graag" not in repr(event)


def test_what_this_version_does_not_know_is_passed_over() -> None:
    """An entry of a newer version gives no event, and no error."""
    assert [] == list(events_of("AA", "default", "5-1", {b"z": b"?"}))
    assert len(TYPES) == len(set(TYPES))


def test_a_move_of_a_newer_version_stops_no_other() -> None:
    """An unknown state gives no event, an unknown reason its number; the others are told."""
    key, random = b"A" * 24, b"B" * 10
    moves = [b"qA" + bytes((3,)), b"qZ" + bytes((3,)), b"qD" + bytes((250,))]
    packed = b"".join(key + random + move + b"\0\0" + b"\0\0\0\1" for move in moves)

    told = list(events_of("AA", "default", "5-1", {b"m": packed}))

    assert [(State.ACCEPTED, "accepted"), (State.DELIVERED, "reason 250")] == [
        (one.state, one.reason) for one in told
    ]
    assert ["evt_AA5-1_0", "evt_AA5-1_2"] == [one.id for one in told]
