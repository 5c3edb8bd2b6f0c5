"""Forgetting a number: nothing in Redis holds it any more, and the books balance."""

from __future__ import annotations

from typing import Any

import pytest
from inside import ACCEPTED, DEAD, DOUBTED, RETRIED, Inside, key_of

from cmqueue import Content, Message, State
from cmqueue.events.calls import Calls, Verdict
from cmqueue.events.event import INBOUND_RECEIVED, Event, news
from cmqueue.forget import Forgotten, forget
from cmqueue.inlet import UNREADABLE
from cmqueue.suppression import Suppressions

NUMBER, OTHER = "+31600000001", "+31600000002"
DIGITS = b"31600000001"


def _enqueue(inside: Inside, number: str = NUMBER, **options: Any) -> str:
    return inside.outbox.enqueue(Message(sender="Acme", to=number, text="hi"), **options).id


def _is_kept(inside: Inside) -> bool:
    """Whether any key, field or value in Redis holds the number."""
    found = str(inside.dump("events")).encode()
    streams = b"".join(str(inside.client.xrange(name)).encode() for name in (inside.at("events"), UNREADABLE))
    return DIGITS in found + streams


def _in_lane(inside: Inside) -> str:
    return _enqueue(inside)


def _scheduled(inside: Inside) -> str:
    id = _enqueue(inside)
    inside.deliver(fate=RETRIED)
    return id


def _in_doubt(inside: Inside) -> str:
    id = _enqueue(inside)
    inside.deliver(fate=DOUBTED)
    return id


def _resent(inside: Inside) -> str:
    id = _enqueue(inside, guarantee="at_least_once")
    inside.deliver(fate=DOUBTED)
    inside.end_doubt()
    inside.sweep()
    return id


def _dead(inside: Inside) -> str:
    id = _enqueue(inside)
    inside.deliver(fate=DEAD)
    return id


def _sent(inside: Inside) -> str:
    id = _enqueue(inside)
    batch = inside.batch()
    inside.mark(batch)
    inside.settle(batch, ACCEPTED, resends=True)
    return id


def _cancelled(inside: Inside) -> str:
    id = _enqueue(inside)
    inside.outbox.cancel(id)
    return id


@pytest.mark.parametrize(
    ("place", "state", "said"),
    [
        (_in_lane, State.CANCELLED, {"cancelled": 1}),
        (_scheduled, State.CANCELLED, {"cancelled": 1}),
        (_in_doubt, State.UNKNOWN, {"unknown": 1}),
        (_resent, State.UNKNOWN, {"unknown": 1}),
        (_dead, State.DEAD, {"dropped": 1}),
        (_sent, State.ACCEPTED, {"dropped": 1}),
        (_cancelled, State.CANCELLED, {"dropped": 1}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_wherever_a_message_lies(inside: Inside, place: Any, state: State, said: dict[str, int]) -> None:
    """Its number and content go; it ends where it waited, others stay as they are, and twice is once."""
    id = place(inside)
    other = _enqueue(inside, OTHER)
    assert _is_kept(inside)

    assert Forgotten(**said) == forget(inside.outbox, "0031600000001")
    assert state is inside.state(key_of(id))
    assert State.QUEUED is inside.state(key_of(other))
    assert not _is_kept(inside)
    inside.check()
    assert Forgotten() == forget(inside.outbox, NUMBER)


def test_what_a_worker_has_in_hand_is_told(inside: Inside) -> None:
    """It can't be taken out of a request; after it nothing is kept."""
    _enqueue(inside)
    batch = inside.batch()

    assert Forgotten(in_hand=1) == forget(inside.outbox, NUMBER)
    inside.mark(batch)
    inside.settle(batch, ACCEPTED)
    assert not _is_kept(inside)


def test_a_recipient_of_many(inside: Inside) -> None:
    """The others of a broadcast, and its content, stay."""
    numbers = [f"+31600{n:06}" for n in range(2, 2502)]
    inside.outbox.broadcast(Content(sender="Acme", text="Sale"), [*numbers, NUMBER])

    assert Forgotten(cancelled=1) == forget(inside.outbox, NUMBER)
    assert not _is_kept(inside)
    inside.check()
    assert 2500 == inside.outbox.audit().waiting.total()


def test_what_it_wrote_goes_too(inside: Inside) -> None:
    """Events that the app has not read, and what nobody could read; of others nothing."""
    for number in (NUMBER, OTHER):
        entry = news(INBOUND_RECEIVED, at=1.0, data={"from": number, "to": "3669", "text": "hi"})
        inside.client.xadd(inside.at("events"), entry)  # type: ignore[arg-type]
        inside.client.xadd(UNREADABLE, {"b": f"<TO>{number}"})

    assert Forgotten(letters=2) == forget(inside.outbox, NUMBER)
    assert not _is_kept(inside)
    assert 1 == inside.client.xlen(UNREADABLE)
    inside.client.delete(UNREADABLE)


def test_who_opted_out_stays_on_the_list(inside: Inside) -> None:
    """To forget a number is not to write to it again."""
    Suppressions(inside.outbox).add(NUMBER)
    forget(inside.outbox, NUMBER)

    assert 1 == len(Suppressions(inside.outbox).of(NUMBER))


def test_what_waits_for_handlers_and_callbacks_goes_too(inside: Inside) -> None:
    """Calls that wait and dead ones alike; those of others stay."""
    calls = Calls(inside.outbox, "callback:shop")
    events = [
        Event(id=f"evt_{n}", type=INBOUND_RECEIVED, at=1.0, account="default", data={"from": number})
        for n, number in enumerate((NUMBER, NUMBER, OTHER))
    ]
    calls.park([(event, 0.0, 0) for event in events])
    taken = calls.take(1, lease=60)
    assert taken is not None
    calls.settle(taken[0], Verdict.DEAD, why="refused")

    assert Forgotten(letters=2) == forget(inside.outbox, NUMBER)
    assert ["evt_2"] == [call.event.id for call in calls.take(10, lease=60) or []]
    assert [] == calls.dead()


def test_what_moves_meanwhile_is_found(inside: Inside) -> None:
    """A job that goes back to its lane between the look at it and the script is forgotten there."""
    id = _enqueue(inside, guarantee="at_least_once")
    inside.deliver(fate=DOUBTED)
    inside.end_doubt()
    run = inside.outbox.scripts.run

    def after_a_sweep(*call: Any) -> Any:
        inside.outbox.scripts.run = run  # type: ignore[method-assign]
        inside.sweep()
        return run(*call)

    inside.outbox.scripts.run = after_a_sweep  # type: ignore[method-assign]

    assert Forgotten(unknown=1) == forget(inside.outbox, NUMBER)
    assert not _is_kept(inside)
    assert State.UNKNOWN is inside.state(key_of(id))
    inside.check()


def test_what_was_cancelled_in_a_workers_hand_is_told_of(inside: Inside) -> None:
    """Its job lies in the batch until the worker is through, though its row has ended."""
    id = _enqueue(inside)
    batch = inside.batch()
    inside.outbox.cancel(id)

    assert Forgotten(in_hand=1) == forget(inside.outbox, NUMBER)
    inside.mark(batch)
    assert Forgotten() == forget(inside.outbox, NUMBER)
    assert not _is_kept(inside)
    inside.check()


@pytest.mark.parametrize("place", [_in_doubt, _dead], ids=["unknown", "dead"])
def test_what_was_forgotten_is_explained_so(inside: Inside, place: Any) -> None:
    """Its row is there, but nobody can send it again."""
    id = place(inside)
    forget(inside.outbox, NUMBER)

    said = inside.outbox.explain(id) or ""
    assert said.endswith("Its number and content are not kept any more, so it can't be redriven.")
