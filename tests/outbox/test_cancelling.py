"""Taking messages back: only what was certainly not sent, and never sent afterwards."""

from datetime import UTC, datetime, timedelta

import pytest
from inside import ACCEPTED, DEAD, DOUBTED, REDRIVEN, RETRIED, Inside, key_of, keys_of, redriven

from cmqueue import Message
from cmqueue.claim import Empty
from cmqueue.state import State

HELLO = Message(sender="Acme", to="+31600000001", text="hi")


def _cancel(inside: Inside, id: str) -> str:
    verdict = inside.outbox.cancel(id)
    inside.check()
    return verdict


def test_a_withdrawn_message_is_never_claimed(inside: Inside) -> None:
    """Its job is passed over when its turn comes."""
    receipt = inside.outbox.enqueue(HELLO)

    assert "cancelled" == _cancel(inside, receipt.id)
    assert Empty() == inside.claim()
    assert State.CANCELLED is inside.state(key_of(receipt.id))
    assert [] == list(inside.places())
    inside.check()


def test_a_withdrawn_message_leaves_its_batch_at_the_mark(inside: Inside) -> None:
    """A member cancelled after the claim is not in what is posted."""
    gone, stays = (inside.outbox.enqueue(HELLO) for _ in range(2))
    batch = inside.batch()

    assert "cancelled" == _cancel(inside, gone.id)
    assert 1 == inside.mark(batch)
    assert [key_of(stays.id)] == keys_of(batch._replace(jobs=inside.partition.members(batch.id)))


def test_a_claimed_and_cancelled_message_is_counted_once(inside: Inside) -> None:
    """It is cancelled, and no state counts below zero, though its job still lies in the batch."""
    receipt = inside.outbox.enqueue(HELLO)
    inside.batch()
    inside.outbox.cancel(receipt.id)

    audit = inside.outbox.audit()

    assert ({}, {"cancelled": 1}, True) == (
        audit.as_json()["waiting"],
        audit.as_json()["finished"],
        audit.balanced,
    )


def test_a_scheduled_message_is_taken_back(inside: Inside) -> None:
    """It leaves the schedule at once, and its job with it."""
    receipt = inside.outbox.enqueue(HELLO, send_at=datetime.now(UTC) + timedelta(hours=1))

    assert "cancelled" == _cancel(inside, receipt.id)
    assert [] == list(inside.places())


def test_a_retry_is_taken_back(inside: Inside) -> None:
    """A message that CM refused for now was certainly not sent: it can be cancelled while it waits."""
    receipt = inside.outbox.enqueue(HELLO)
    inside.deliver(fate=RETRIED)

    assert "cancelled" == _cancel(inside, receipt.id)


def test_once_posting_it_is_too_late(inside: Inside) -> None:
    """From the mark on the message may be on the wire."""
    receipt = inside.outbox.enqueue(HELLO)
    batch = inside.batch()
    inside.mark(batch)

    assert "too_late" == _cancel(inside, receipt.id)
    assert State.POSTING is inside.state(key_of(receipt.id))


@pytest.mark.parametrize("fate", [ACCEPTED, DOUBTED])
def test_a_message_that_was_posted_is_too_late(inside: Inside, fate: object) -> None:
    """Accepted or in doubt: it was or may have been sent."""
    receipt = inside.outbox.enqueue(HELLO)
    inside.deliver(fate=fate)  # type: ignore[arg-type]

    assert "too_late" == _cancel(inside, receipt.id)


def test_a_resend_is_too_late(inside: Inside) -> None:
    """Queued again after doubt: its first attempt may have arrived, so `cancelled` would be a lie."""
    receipt = inside.outbox.enqueue(HELLO, guarantee="at_least_once")
    inside.deliver(fate=DOUBTED)
    inside.end_doubt()
    inside.sweep()

    assert "too_late" == _cancel(inside, receipt.id)
    assert State.QUEUED is inside.state(key_of(receipt.id))


@pytest.mark.parametrize("doubted", REDRIVEN)
def test_what_was_redriven_after_doubt_is_too_late(inside: Inside, doubted: str) -> None:
    """Its attempts are counted afresh, but the first of all may have arrived."""
    key = redriven(inside, doubted)

    assert "t" == inside.partition.cancel([key])
    assert State.QUEUED is inside.state(key)
    inside.deliver(fate=RETRIED)
    assert "t" == inside.partition.cancel([key])
    inside.check()


def test_what_was_redriven_without_doubt_can_be_cancelled(inside: Inside) -> None:
    """CM refused every attempt, so nothing of it arrived."""
    key = key_of(inside.outbox.enqueue(HELLO).id)
    inside.deliver(fate=DEAD)
    inside.partition.redrive("X", [key], 60)

    assert "c" == inside.partition.cancel([key])
    inside.check()


def test_cancelling_again_says_so_again(inside: Inside) -> None:
    """A repeat gets the first answer."""
    receipt = inside.outbox.enqueue(HELLO)

    assert ["cancelled", "cancelled"] == [_cancel(inside, receipt.id) for _ in range(2)]


def test_the_same_id_twice_in_one_call_moves_once(inside: Inside) -> None:
    """The books hold one cancellation, and both places get the answer."""
    key = key_of(inside.outbox.enqueue(HELLO).id)

    assert "cc" == inside.partition.cancel([key, key])
    inside.check()


def test_what_never_was_is_not_found(inside: Inside) -> None:
    """Neither an id that nobody gave out nor what is no id at all."""
    receipt = inside.outbox.enqueue(HELLO)

    assert "not_found" == inside.outbox.cancel(receipt.id[:-4] + "AAAA")
    assert "not_found" == inside.outbox.cancel("nonsense")
