"""A message that CM reports as failed, for a passing cause, may be sent anew as one linked to the old."""

from __future__ import annotations

import pytest
from inside import ACCEPTED, DOUBTED, Inside, key_of

from cmqueue import Content, Lane, Message, Receipt, State
from cmqueue.report import Merged, Report, merge
from cmqueue.resend import resend_failed, revoke_resend

NUMBER = "0031600000001"
PASSING, LASTING = 25, 23  # "temporary network fault", "number wrong"
RESENDING = frozenset({Lane.NORMAL, Lane.BULK})


def _accepted(inside: Inside, **options: object) -> Receipt:
    receipt = inside.outbox.enqueue(
        Message(sender="Acme", to=NUMBER, text="hi"),
        client_reference="order 7",
        **options,  # type: ignore[arg-type]
    )
    _deliver(inside)
    return receipt


def _deliver(inside: Inside) -> None:
    batch = inside.batch()
    inside.mark(batch)
    inside.settle(batch, ACCEPTED, resends=batch.lane in RESENDING)


def _told(inside: Inside, receipt: Receipt, code: int, error: int = 0) -> Merged:
    (found,) = merge(inside.outbox, [Report(receipt.reference, NUMBER, code, error)], resending=RESENDING)
    assert found is not None
    return found


def _receipt_of(inside: Inside, id: str) -> Receipt:
    """Of a message that was sent anew: its reference is in its job."""
    (random,) = [job.random for _, job in inside.places() if job.bucket + job.tail == key_of(id)]
    return Receipt(id, id[:6] + random, duplicate=False)


def _resent(inside: Inside, merged: Merged, *, delay: float = 0, most: int = 3) -> str | None:
    return resend_failed(inside.outbox, merged, delay=delay, most=most)


def test_a_passing_failure_is_sent_anew(inside: Inside) -> None:
    """A new id and reference, the same number, content, lane, expiry and extras; each row names the other."""
    receipt = _accepted(inside)
    new = _resent(inside, _told(inside, receipt, 3, PASSING))

    assert new is not None
    old, fresh = inside.outbox.status(receipt.id), inside.outbox.status(new)
    assert old is not None
    assert fresh is not None
    assert (State.FAILED, new) == (old.state, old.resent_as)
    assert (State.QUEUED, "failure_resent", receipt.id) == (fresh.state, fresh.reason, fresh.resend_of)
    assert (old.lane, old.expires_at, "order 7") == (fresh.lane, fresh.expires_at, fresh.client_reference)
    (job,) = [job for _, job in inside.places()]
    assert (NUMBER, new) == (job.number, inside.partition.code + job.bucket + job.tail)
    assert receipt.reference[6:] != job.random
    inside.check()
    assert 2 == inside.outbox.audit().enqueued


def test_it_may_wait_a_while(inside: Inside) -> None:
    """With a delay it is scheduled, and goes out when that is over."""
    new = _resent(inside, _told(inside, _accepted(inside), 3, PASSING), delay=60)

    assert new is not None
    assert State.SCHEDULED is inside.state(key_of(new))
    inside.check()
    inside.arrive()
    inside.sweep()
    _deliver(inside)
    assert State.ACCEPTED is inside.state(key_of(new))
    inside.check()


@pytest.mark.parametrize("twice", ["the call", "the report"])
def test_once_is_enough(inside: Inside, twice: str) -> None:
    """A failure that is told or worked on again makes no second message."""
    receipt = _accepted(inside)
    first = _told(inside, receipt, 3, PASSING)
    assert _resent(inside, first) is not None
    again = first if twice == "the call" else _told(inside, receipt, 3, PASSING)

    assert _resent(inside, again) is None
    assert 2 == inside.outbox.audit().enqueued
    inside.check()


def test_a_lasting_failure_is_not(inside: Inside) -> None:
    """Nothing is kept of the message any more."""
    merged = _told(inside, _accepted(inside), 3, LASTING)

    assert not merged.resendable
    assert _resent(inside, merged) is None
    assert [] == list(inside.places())


@pytest.mark.parametrize("code", [2, 4])
def test_what_has_arrived_is_not(inside: Inside, code: int) -> None:
    """Delivered or read: the number and the content go at once."""
    _told(inside, _accepted(inside), code)

    assert [] == list(inside.places())
    inside.check()


def test_what_came_after_all_takes_the_new_one_back(inside: Inside) -> None:
    """Delivered counts more than failed: the message in its place is cancelled, if it was not sent yet."""
    receipt = _accepted(inside)
    new = _resent(inside, _told(inside, receipt, 3, PASSING), delay=60)
    assert new is not None

    assert "cancelled" == revoke_resend(inside.outbox, _told(inside, receipt, 2))
    assert [State.DELIVERED, State.CANCELLED] == inside.outbox.states([receipt.id, new])
    inside.check()


def test_what_came_after_all_takes_the_last_of_a_chain_back(inside: Inside) -> None:
    """Also where the one in its place has failed in its turn, and another waits."""
    first = _accepted(inside)
    second = _resent(inside, _told(inside, first, 3, PASSING))
    assert second is not None
    _deliver(inside)
    third = _resent(inside, _told(inside, _receipt_of(inside, second), 3, PASSING), delay=60)
    assert third is not None

    assert "cancelled" == revoke_resend(inside.outbox, _told(inside, first, 2))
    found = inside.outbox.states([first.id, second, third])
    assert [State.DELIVERED, State.FAILED, State.CANCELLED] == found
    inside.check()


@pytest.mark.parametrize("links", [1, 2])
def test_what_came_after_all_is_not_sent_anew_once_more(inside: Inside, links: int) -> None:
    """The one in its place had gone when that was known. When it fails nothing follows or is kept."""
    first = last = _accepted(inside)
    for _ in range(links):
        new = _resent(inside, _told(inside, last, 3, PASSING))
        assert new is not None
        last = _receipt_of(inside, new)
        _deliver(inside)
    assert "too_late" == revoke_resend(inside.outbox, _told(inside, first, 2))

    assert _resent(inside, _told(inside, last, 3, PASSING)) is None
    assert [] == list(inside.places())
    inside.check()


def test_a_lane_that_does_not_resend_keeps_nothing(inside: Inside) -> None:
    """Number and content of an accepted message go, as ever."""
    receipt = inside.outbox.enqueue(Message(sender="Acme", to=NUMBER, text="hi"), lane="urgent")
    _deliver(inside)

    assert [] == list(inside.places())
    assert _resent(inside, _told(inside, receipt, 3, PASSING)) is None


def test_not_more_often_than_that(inside: Inside) -> None:
    """The chain of new messages has an end, and each knows the one before."""
    receipt, ids = _accepted(inside), []
    while (new := _resent(inside, _told(inside, receipt, 3, PASSING), most=2)) is not None:
        (job,) = [job for place, job in inside.places() if place.startswith("ready")]
        ids.append(new)
        receipt = Receipt(new, new[:6] + job.random, duplicate=False)
        _deliver(inside)

    assert 2 == len(ids)
    assert [] == list(inside.places())
    inside.check()


def test_not_past_its_end(inside: Inside) -> None:
    """One that would expire before it goes is not sent; and what is kept for it goes with its time."""
    receipt = _accepted(inside, expires_in=60)

    assert _resent(inside, _told(inside, receipt, 3, PASSING), delay=120) is None
    assert [] == list(inside.places())
    _accepted(inside)
    inside._past("sent_until")
    inside.sweep()
    assert [] == list(inside.places())
    inside.check()


def test_doubt_that_a_failure_ends_is_sent_anew_too(inside: Inside) -> None:
    """CM took it, so its failure is as good as any other's."""
    receipt = inside.outbox.enqueue(Message(sender="Acme", to=NUMBER, text="hi"))
    inside.deliver(fate=DOUBTED)
    merged = _told(inside, receipt, 3, PASSING)

    assert (State.AMBIGUOUS, State.FAILED) == (merged.before, merged.after)
    assert _resent(inside, merged) is not None
    inside.check()


def test_shared_content_goes_with_the_last_that_needs_it(inside: Inside) -> None:
    """A recipient of a broadcast that is sent anew keeps its content alive, and no longer."""
    sale = inside.outbox.broadcast(Content(sender="Acme", text="Sale"), [NUMBER])
    (first,) = sale
    _deliver(inside)
    inside.check()
    new = _resent(inside, _told(inside, first, 3, PASSING))
    assert new is not None
    inside.check()
    _deliver(inside)
    inside.check()
    (job,) = [job for _, job in inside.places()]
    _told(inside, Receipt(new, new[:6] + job.random, duplicate=False), 2)

    assert {} == inside.content_refs()
    inside.check()
