"""Redis's Lua passes some 8000 arguments at once and undoes nothing: thousands go in pieces."""

from inside import DOUBTED, Inside

from cmqueue.audit import Audit
from cmqueue.claim import Empty
from cmqueue.lane import Lane
from cmqueue.state import State

RECIPIENTS = [f"+3160{n:07}" for n in range(5000)]


def _broadcast(inside: Inside, **options: object) -> Audit:
    inside.outbox.broadcast({"sender": "Acme", "text": "Sale"}, RECIPIENTS, lane="bulk", **options)
    return inside.outbox.audit()


def test_a_lane_of_expired_messages_is_emptied_by_claiming(inside: Inside) -> None:
    """Five thousand expired messages end as expired, however few claims they take."""
    _broadcast(inside)
    inside.expire()

    claim, expired = inside.claim_telling(Lane.BULK)

    assert Empty() == claim
    assert 5000 == len(expired)
    audit = inside.outbox.audit()
    assert audit.balanced, audit.problems
    assert {State.EXPIRED: 5000} == +audit.finished


def test_five_posting_batches_are_reclaimed_in_one_sweep(inside: Inside) -> None:
    """When a whole worker vanished, all that it was posting is in doubt, and every message is told of."""
    _broadcast(inside)
    for _ in range(5):
        inside.mark(inside.batch(Lane.BULK))
    inside.end_leases()

    swept = inside.sweep()

    assert ["ambiguous"] * 5000 == [told.word for told in swept.told]
    audit = inside.outbox.audit()
    assert audit.balanced, audit.problems
    assert {State.AMBIGUOUS: 5000} == +audit.waiting


def test_doubt_of_thousands_ends_a_thousand_at_a_time(inside: Inside) -> None:
    """A sweep moves at most as many as it is told, says that there are more, and loses none."""
    _broadcast(inside)
    for _ in range(5):
        inside.deliver(Lane.BULK, fate=DOUBTED)
    inside.end_doubt()

    sweeps = []
    while not sweeps or sweeps[-1].more:
        sweeps.append(inside.sweep())

    assert 5000 == sum(len(swept.told) for swept in sweeps)
    assert {State.UNKNOWN: 5000} == +inside.outbox.audit().finished
    assert inside.outbox.audit().balanced
