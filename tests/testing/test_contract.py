"""One contract, for the real outbox and for the double that stands in for it in a web app's tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, repeat
from typing import Any

import pytest
from worlds import World

from cmqueue import (
    Content,
    IdempotencyConflict,
    InvalidMessage,
    Message,
    Receipt,
    Refusal,
    State,
    Status,
    UnknownLane,
)
from cmqueue.settlement import Settlement
from cmqueue.state import Reason

HELLO = {"sender": "Acme", "to": "+31600000001", "text": "hi"}
CONTENT = Content(sender="Acme", text="Sale")
NUMBERS = ["+31600000001", "+31600000002", "+31600000003"]
LATER = datetime.now(UTC) + timedelta(hours=1)

ACCEPTED = Settlement(State.ACCEPTED, Reason.ACCEPTED, parts=2)
REJECTED = Settlement(State.REJECTED, Reason.REJECTED, code=303)
DEAD = Settlement(State.DEAD, Reason.ATTEMPTS_EXHAUSTED)
RETRIED = Settlement(State.SCHEDULED, Reason.RETRY_REJECTED, code=304, delay_ms=60_000)
DOUBTED = Settlement(State.AMBIGUOUS, Reason.READ_TIMEOUT, delay_ms=60_000)
GIVEN_BACK = Settlement(State.QUEUED, Reason.GIVEN_BACK, counts=False)
SUPPRESSED = Settlement(State.SUPPRESSED, Reason.NOT_ALLOWED, counts=False)


def status_of(world: World, id: str) -> Status:
    status = world.outbox.status(id)
    assert status is not None
    return status


def story(world: World, id: str) -> list[str]:
    """The reasons of a message's history."""
    return [entry.reason.text for entry in status_of(world, id).history]


# --- enqueueing --------------------------------------------------------------------------------------------


def test_what_is_enqueued_waits_in_its_lane(world: World) -> None:
    """A receipt whose id and reference begin with the same six characters, and a row that is queued."""
    receipt = world.outbox.enqueue(HELLO, lane="urgent")

    status = status_of(world, receipt.id)
    assert (26, 16, receipt.id[:6], False) == (
        len(receipt.id),
        len(receipt.reference),
        receipt.reference[:6],
        receipt.duplicate,
    )
    assert ("queued", "enqueued", "urgent", "at_least_once", 0) == (
        status.state,
        status.reason,
        status.lane,
        status.guarantee,
        status.attempts,
    )


def test_a_message_and_a_mapping_are_the_same(world: World) -> None:
    """Under one key they are one message."""
    first = world.outbox.enqueue(HELLO, idempotency_key="a")

    assert first._replace(duplicate=True) == world.outbox.enqueue(Message(**HELLO), idempotency_key="a")


@pytest.mark.parametrize(
    ("message", "options", "field"),
    [
        ({"to": "call me"}, {}, "to"),
        ({"to": "0612345678"}, {}, "to"),
        ({"sender": "much too long a name"}, {}, "sender"),
        ({"text": ""}, {}, "text"),
        ({"colour": "red"}, {}, "colour"),
        ({}, {"expires_in": -1}, "expires_in"),
        ({}, {"metadata": {"a": "x" * 2000}}, "metadata"),
        ({}, {"send_at": datetime(2030, 1, 1)}, "send_at"),  # noqa: DTZ001 - what is refused
        ({}, {"guarantee": "perhaps"}, "guarantee"),
    ],
)
def test_what_is_wrong_is_refused_by_its_field(
    world: World, message: dict[str, Any], options: dict[str, Any], field: str
) -> None:
    """And nothing is queued."""
    with pytest.raises(InvalidMessage) as raised:
        world.outbox.enqueue(HELLO | message, **options)

    assert field == raised.value.field
    assert 0 == world.outbox.audit().enqueued


def test_there_are_three_lanes(world: World) -> None:
    """Another is refused, in every way in."""
    with pytest.raises(UnknownLane):
        world.outbox.enqueue(HELLO, lane="express")
    with pytest.raises(UnknownLane):
        world.outbox.enqueue_many([HELLO], lane="express")
    with pytest.raises(UnknownLane):
        world.outbox.broadcast(CONTENT, NUMBERS, lane="express")


@pytest.mark.parametrize("lane", ["urgent", "normal", "bulk"])
def test_a_lane_brings_its_rules(world: World, lane: str) -> None:
    """Guarantee and longest life, where the caller names none."""
    status = status_of(world, world.outbox.enqueue(HELLO, lane=lane).id)

    rules = status.lane.rules
    life = status.expires_at - datetime.now(UTC).timestamp()
    assert rules.guarantee is status.guarantee
    assert rules.maximum_age - 5 < life <= rules.maximum_age


def test_an_option_goes_before_the_lane(world: World) -> None:
    """Guarantee and expiry as the caller says; the expiry counts from when it is due."""
    receipt = world.outbox.enqueue(HELLO, guarantee="at_least_once", expires_in=60, send_at=LATER)

    status = status_of(world, receipt.id)
    assert ("at_least_once", "scheduled") == (status.guarantee, status.state)
    assert 60 == pytest.approx(status.expires_at - LATER.timestamp(), abs=1)


def test_the_callers_words_come_back(world: World) -> None:
    """Client reference, campaign and metadata, with the status."""
    receipt = world.outbox.enqueue(
        HELLO, client_reference="Ordre nº 1", campaign="été", metadata={"a": ["ø", 1, None]}
    )

    status = status_of(world, receipt.id)
    assert ("Ordre nº 1", "été", {"a": ["ø", 1, None]}) == (
        status.client_reference,
        status.campaign,
        status.metadata,
    )


# --- idempotency keys --------------------------------------------------------------------------------------


def test_a_key_makes_a_repeat_the_same_message(world: World) -> None:
    """Same id and reference, marked a duplicate; one message is counted."""
    first, second = (world.outbox.enqueue(HELLO, idempotency_key="login") for _ in range(2))

    assert first._replace(duplicate=True) == second
    assert 1 == world.outbox.audit().enqueued


@pytest.mark.parametrize(
    "other", [{"to": "+31600000002"}, {"text": "ho"}, {"sender": "Other"}, {"account": "second"}]
)
def test_a_key_for_another_payload_is_a_conflict(world: World, other: dict[str, str]) -> None:
    """Number, content or sender; an account has keys of its own."""
    first = world.outbox.enqueue(HELLO, idempotency_key="login")

    if "account" in other:
        assert not world.outbox.enqueue(HELLO, idempotency_key="login", **other).duplicate
        return
    with pytest.raises(IdempotencyConflict) as raised:
        world.outbox.enqueue(HELLO | other, idempotency_key="login")
    assert first.id == raised.value.id


def test_a_key_outlives_its_message(world: World) -> None:
    """Sent and done, or cancelled: a repeat still gets the first id."""
    first = world.outbox.enqueue(HELLO, idempotency_key="login")
    world.settle(lambda _: ACCEPTED)

    assert first._replace(duplicate=True) == world.outbox.enqueue(HELLO, idempotency_key="login")


def test_lane_and_options_are_not_the_payload(world: World) -> None:
    """A repeat with another lane or expiry is a repeat: the first one counts."""
    first = world.outbox.enqueue(HELLO, idempotency_key="login")
    again = world.outbox.enqueue(HELLO, idempotency_key="login", lane="urgent", expires_in=5)

    assert first._replace(duplicate=True) == again
    assert "normal" == status_of(world, first.id).lane


# --- many --------------------------------------------------------------------------------------------------


def test_results_keep_their_order(world: World) -> None:
    """A refusal in its place stops no other."""
    bad = HELLO | {"to": "oops"}

    first, second, third = world.outbox.enqueue_many([HELLO, bad, HELLO])

    assert isinstance(first, Receipt)
    assert isinstance(second, Refusal)
    assert isinstance(third, Receipt)
    assert (1, "to") == (second.position, second.field)
    assert first.id != third.id
    assert 2 == world.outbox.audit().enqueued


def test_many_are_lazy(world: World) -> None:
    """Of messages without end as many chunks are taken as are asked for."""
    results = world.outbox.enqueue_many(repeat(HELLO))
    assert 0 == world.outbox.audit().enqueued

    assert 10 == len(list(islice(results, 10)))
    results.close()  # type: ignore[attr-defined]  # a generator
    assert world.outbox.audit().enqueued in (1000, 2000)


def test_keys_among_many(world: World) -> None:
    """A repeat is a duplicate, another payload a refusal; both among each other and against earlier calls."""
    keyed = [HELLO | {"text": text, "idempotency_key": "a"} for text in ("hi", "hi", "ho")]

    first, second, third = world.outbox.enqueue_many(keyed)

    assert isinstance(first, Receipt)
    assert first._replace(duplicate=True) == second == world.outbox.enqueue(keyed[0])
    assert isinstance(third, Refusal)
    assert (2, "idempotency_key", f"was used for another message, {first.id}") == third[:3]


def test_all_or_nothing(world: World) -> None:
    """One bad item, and nothing is queued."""
    with pytest.raises(InvalidMessage):
        list(world.outbox.enqueue_many([HELLO, HELLO | {"to": "oops"}], all_or_nothing=True))

    assert 0 == world.outbox.audit().enqueued


def test_one_key_for_many_is_refused(world: World) -> None:
    """A key names one message."""
    with pytest.raises(InvalidMessage):
        world.outbox.enqueue_many([HELLO], idempotency_key="all")


# --- broadcasts --------------------------------------------------------------------------------------------


def test_a_broadcast_shares_its_reference(world: World) -> None:
    """One reference, an id for each; the same number twice, however written, is one message."""
    sale = world.outbox.broadcast(CONTENT, [*NUMBERS, "0031 600 000 001", "oops"])

    receipts = list(sale)
    assert (3, 1, [4]) == (sale.enqueued, sale.duplicates, [refusal.position for refusal in sale.refused])
    assert {sale.reference} == {receipt.reference for receipt in receipts}
    assert receipts[0]._replace(duplicate=True) == receipts[3]
    assert ["queued"] * 3 == [status_of(world, receipt.id).state for receipt in receipts[:3]]


def test_a_repeated_broadcast_reaches_those_it_missed(world: World) -> None:
    """With its key: under the same reference, also where the first are sent."""
    first = world.outbox.broadcast(CONTENT, NUMBERS[:1], idempotency_key="sale")
    world.settle(lambda _: ACCEPTED)

    second = world.outbox.broadcast(CONTENT, NUMBERS, idempotency_key="sale")

    assert (first.reference, 2, 1) == (second.reference, second.enqueued, second.duplicates)


def test_a_broadcasts_key_belongs_to_its_content(world: World) -> None:
    """Another content is a conflict; and the key of a message is another key."""
    world.outbox.broadcast(CONTENT, NUMBERS, idempotency_key="sale")
    world.outbox.enqueue(HELLO, idempotency_key="sale")

    with pytest.raises(IdempotencyConflict):
        world.outbox.broadcast(Content(sender="Acme", text="Other"), NUMBERS, idempotency_key="sale")

    assert 4 == world.outbox.audit().enqueued


def test_without_a_key_a_broadcast_is_a_new_one(world: World) -> None:
    """The same call again sends again."""
    references = {world.outbox.broadcast(CONTENT, NUMBERS).reference for _ in range(2)}

    assert 2 == len(references)
    assert 6 == world.outbox.audit().enqueued


# --- what becomes of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fate", "state", "told"),
    [
        (ACCEPTED, "accepted", ["enqueued", "accepted"]),
        (REJECTED, "rejected", ["enqueued", "rejected"]),
        (DEAD, "dead", ["enqueued", "attempts_exhausted"]),
        (RETRIED, "scheduled", ["enqueued", "retry_rejected"]),
        (DOUBTED, "ambiguous", ["enqueued", "read_timeout"]),
        (GIVEN_BACK, "queued", ["enqueued"]),
        (SUPPRESSED, "suppressed", ["enqueued", "not_allowed"]),
    ],
)
def test_each_fate_is_told(world: World, fate: Settlement, state: str, told: list[str]) -> None:
    """State, reason, CM's code, attempts and parts; and the books hold it."""
    id = world.outbox.enqueue(HELLO).id
    world.settle(lambda _: fate)

    status = status_of(world, id)
    assert (state, told) == (status.state, story(world, id))
    if fate is not GIVEN_BACK:
        assert (fate.code, int(fate.counts), fate.parts) == (status.code, status.attempts, status.parts)
    audit = world.outbox.audit().as_json()
    assert {state: 1} == audit["waiting"] | audit["finished"]
    assert audit["balanced"]


def test_a_scheduled_message_is_released(world: World) -> None:
    """It waits for its time, then in its lane."""
    id = world.outbox.enqueue(HELLO, send_at=LATER).id
    world.settle(lambda _: ACCEPTED)
    assert "scheduled" == status_of(world, id).state

    world.arrive()

    assert ("queued", ["scheduled", "released"]) == (status_of(world, id).state, story(world, id))


def test_a_time_that_is_over_is_now(world: World) -> None:
    """A `send_at` in the past schedules nothing."""
    id = world.outbox.enqueue(HELLO, send_at=datetime.now(UTC) - timedelta(hours=1)).id

    assert "queued" == status_of(world, id).state


def test_doubt_ends_unknown(world: World) -> None:
    """At most once: nobody guesses."""
    id = world.outbox.enqueue(HELLO).id
    world.settle(lambda _: DOUBTED)
    world.end_doubt()

    assert ["enqueued", "read_timeout", "window_ended"] == story(world, id)


@pytest.mark.parametrize(("proof", "state"), [(ACCEPTED, "accepted"), (REJECTED, "rejected")])
def test_a_late_answer_ends_doubt(world: World, proof: Settlement, state: str) -> None:
    """With what it proves."""
    id = world.outbox.enqueue(HELLO).id
    world.settle(lambda _: DOUBTED)
    world.prove(id, proof)

    status = status_of(world, id)
    assert (state, "late_answer", proof.code, proof.parts, 1) == (
        status.state,
        status.reason,
        status.code,
        status.parts,
        status.attempts,
    )


def test_doubt_is_resent_thrice(world: World) -> None:
    """At least once: resent, and after the third unknown."""
    id = world.outbox.enqueue(HELLO, guarantee="at_least_once").id
    for _ in range(4):
        world.settle(lambda _: DOUBTED)
        world.end_doubt()

    status = status_of(world, id)
    assert ("unknown", "resends_exhausted", 3, 4) == (
        status.state,
        status.reason,
        status.resends,
        status.attempts,
    )


def test_what_is_past_its_time_expires(world: World) -> None:
    """Also in a lane that nobody empties."""
    id = world.outbox.enqueue(HELLO).id
    world.expire()

    assert ("expired", "too_late") == (status_of(world, id).state, world.outbox.cancel(id))


def test_a_long_history_keeps_its_beginning(world: World) -> None:
    """Forty entries; the first stays."""
    id = world.outbox.enqueue(HELLO).id
    for _ in range(25):
        world.settle(lambda _: RETRIED)
        world.arrive()

    told = story(world, id)
    assert (40, "enqueued", "released") == (len(told), told[0], told[-1])


# --- asking and cancelling ---------------------------------------------------------------------------------


def test_what_waits_can_be_cancelled(world: World) -> None:
    """Queued, scheduled, parked for a retry; and again says the same."""
    queued = world.outbox.enqueue(HELLO).id
    scheduled = world.outbox.enqueue(HELLO, send_at=LATER).id
    parked = world.outbox.enqueue(HELLO).id
    world.settle(lambda one: RETRIED if one == parked else GIVEN_BACK)

    for id in (queued, scheduled, parked, queued):
        assert "cancelled" == world.outbox.cancel(id)
        assert "cancelled" == status_of(world, id).state
    assert {"cancelled": 3} == world.outbox.audit().as_json()["finished"]


def test_a_cancelled_message_is_not_sent(world: World) -> None:
    """Whatever a worker does then."""
    id = world.outbox.enqueue(HELLO).id
    world.outbox.cancel(id)
    world.settle(lambda _: ACCEPTED)

    assert "cancelled" == status_of(world, id).state


def test_what_is_being_posted_cannot(world: World) -> None:
    """It may be on the wire; the other one is not."""
    posted, other = (world.outbox.enqueue(HELLO).id for _ in range(2))
    world.post(posted)

    assert ("posting", "too_late") == (status_of(world, posted).state, world.outbox.cancel(posted))
    assert ("queued", "cancelled") == (status_of(world, other).state, world.outbox.cancel(other))
    assert {"posting": 1} == world.outbox.audit().as_json()["waiting"]


@pytest.mark.parametrize("fate", [ACCEPTED, REJECTED, DOUBTED, DEAD])
def test_what_was_posted_cannot(world: World, fate: Settlement) -> None:
    """Sent, refused, in doubt or given up."""
    id = world.outbox.enqueue(HELLO).id
    world.settle(lambda _: fate)

    assert "too_late" == world.outbox.cancel(id)


def test_what_is_resent_cannot(world: World) -> None:
    """Its first attempt may have arrived."""
    id = world.outbox.enqueue(HELLO, guarantee="at_least_once").id
    world.settle(lambda _: DOUBTED)
    world.end_doubt()

    assert ("queued", "too_late") == (status_of(world, id).state, world.outbox.cancel(id))


@pytest.mark.parametrize("change", [lambda given: given[:-4] + "AAAA", lambda _: "nonsense", lambda _: ""])
def test_what_never_was_is_not_found(world: World, change: Any) -> None:
    """By all four questions."""
    id = change(world.outbox.enqueue(HELLO).id)

    outbox = world.outbox
    assert (None, None, "not_found", [None]) == (
        outbox.status(id),
        outbox.explain(id),
        outbox.cancel(id),
        outbox.states([id]),
    )


def test_an_id_is_read_in_any_case(world: World) -> None:
    """As people copy it."""
    id = world.outbox.enqueue(HELLO).id

    assert id == status_of(world, f" {id.lower()} ").id


def test_the_states_of_many(world: World) -> None:
    """Each as `status` tells it, in the order of the question."""
    ids = [world.outbox.enqueue(HELLO).id for _ in range(3)]
    world.settle(lambda one: {ids[0]: ACCEPTED, ids[1]: DOUBTED}.get(one, GIVEN_BACK))
    world.post(ids[2])

    assert [State.POSTING, None, State.ACCEPTED, State.AMBIGUOUS] == world.outbox.states(
        [ids[2], "nonsense", ids[0], ids[1]]
    )


def test_it_explains_itself(world: World) -> None:
    """In words, with what comes next."""
    waiting = world.outbox.enqueue(HELLO, lane="bulk").id
    done = world.outbox.enqueue(HELLO).id
    world.settle(lambda one: ACCEPTED if one == done else GIVEN_BACK)

    assert "It waits in the lane bulk" in str(world.outbox.explain(waiting))
    assert "CM accepted it for a delivery attempt, in 2 parts." == world.outbox.explain(done)


def test_the_books_balance(world: World) -> None:
    """Of all accounts together."""
    world.outbox.broadcast(CONTENT, NUMBERS, account="second")
    world.outbox.enqueue(HELLO, send_at=LATER)
    cancelled = world.outbox.enqueue(HELLO).id
    world.outbox.cancel(cancelled)

    audit = world.outbox.audit(recount=True)
    assert {
        "enqueued": 5,
        "waiting": {"queued": 3, "scheduled": 1},
        "finished": {"cancelled": 1},
        "balanced": True,
        "problems": [],
    } == audit.as_json()


# --- hearing of them ---------------------------------------------------------------------------------------


def told(world: World, subscriber: str = "shop", **options: Any) -> list[tuple[str, str | None, str | None]]:
    """The events that a subscriber has not heard of: type, message and client reference."""
    return [
        (event.type, event.message, event.client_reference)
        for event in world.outbox.events(subscriber, wait=0, **options)
    ]


def test_what_becomes_of_a_message_is_told(world: World) -> None:
    """From the first call as a subscriber on, once, with what the caller gave; not that it was enqueued."""
    world.outbox.enqueue(HELLO)
    assert [] == told(world)
    first = world.outbox.enqueue(HELLO, client_reference="order-1", send_at=LATER)
    second = world.outbox.enqueue(HELLO)
    world.outbox.cancel(first.id)
    world.settle(lambda known: DOUBTED if known == second.id else REJECTED)

    events = told(world)
    assert ("message.cancelled", first.id, "order-1") == events[0]
    assert {"message.cancelled", "message.ambiguous", "message.rejected"} == {type for type, _, _ in events}
    assert ("message.ambiguous", second.id, None) in events
    assert [] == told(world)


def test_an_event_s_facts(world: World) -> None:
    """State, reason, CM's code, lane and account are the status's."""
    told(world)
    receipt = world.outbox.enqueue(HELLO, lane="urgent", metadata={"shop": 1}, campaign="sale")
    told(world)
    world.settle(lambda _: REJECTED)

    (event,) = world.outbox.events("shop", wait=0)
    status = status_of(world, receipt.id)
    assert ("rejected", "rejected", 303, "urgent", "default", "queued", {"shop": 1}, "sale") == (
        event.state, event.reason, event.code, event.lane, event.account, event.before, event.metadata,
        event.campaign,
    )  # fmt: skip
    assert status.history[-1].at == event.at


def test_each_subscriber_hears_all_that_it_asks_for(world: World) -> None:
    """By type or pattern, each in its own time."""
    world.outbox.enqueue(HELLO)
    assert [[], []] == [told(world, "all"), told(world, "some", types=["message.rejected"])]
    second = world.outbox.enqueue(HELLO, send_at=LATER)
    world.outbox.cancel(second.id)
    world.settle(lambda _: REJECTED)

    assert ["message.cancelled", "message.rejected"] == [type for type, _, _ in told(world, "all")]
    assert ["message.rejected"] == [type for type, _, _ in told(world, "some", types=["message.rejected"])]


def test_a_loop_that_is_left_hears_the_last_again(world: World) -> None:
    """Nobody knows whether it was handled."""
    world.outbox.enqueue(HELLO)
    told(world)
    for _ in range(2):
        world.outbox.cancel(world.outbox.enqueue(HELLO, send_at=LATER).id)

    for first in world.outbox.events("shop", wait=0):  # noqa: B007 - it is asked for below
        break
    again = [event.id for event in world.outbox.events("shop", wait=0)]
    assert (2, first.id) == (len(again), again[0])


def test_an_event_s_name_is_checked(world: World) -> None:
    """At once, not when the first is asked for."""
    with pytest.raises(ValueError, match="no event is called"):
        world.outbox.events("shop", types=["message.sent"])
    with pytest.raises(ValueError, match="must be"):
        world.outbox.events("")
