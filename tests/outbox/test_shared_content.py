"""A broadcast's content lies in Redis once, as long as any message needs it and no longer."""

from collections.abc import Callable

import pytest
from inside import (
    ACCEPTED,
    DEAD,
    DOUBTED,
    GIVEN_BACK,
    REJECTED,
    RETRIED,
    UNPOSTED,
    Inside,
    keys_of,
)

from cmqueue.gate import GateRules
from cmqueue.lane import Lane
from cmqueue.settlement import Settlement

CONTENT = {"sender": "Acme", "text": "Sale"}
NUMBERS = ["+31600000001", "+31600000002"]


def _refs(inside: Inside) -> int:
    inside.check()
    counts = inside.content_refs()
    assert bool(counts) == inside.client.exists(inside.at("contents"))
    return sum(counts.values())


def _settled(fate: Settlement) -> Callable[[Inside], None]:
    def ending(inside: Inside) -> None:
        inside.deliver(fate=fate, limit=1)

    return ending


def _dead(inside: Inside) -> None:
    inside.deliver(fate=DEAD, limit=1)
    assert 2 == _refs(inside)
    inside.end_keeping()
    inside.sweep()


def _unknown(inside: Inside) -> None:
    inside.deliver(fate=DOUBTED, limit=1)
    inside.end_doubt()
    inside.sweep()
    assert 2 == _refs(inside)
    inside.end_keeping()
    inside.sweep()


def _proven_in_doubt(inside: Inside) -> None:
    (key,) = keys_of(inside.deliver(fate=DOUBTED, limit=1))
    inside.partition.prove([(key, ACCEPTED)])


def _proven_unknown(inside: Inside) -> None:
    (key,) = keys_of(inside.deliver(fate=DOUBTED, limit=1))
    inside.end_doubt()
    inside.sweep()
    inside.partition.prove([(key, REJECTED)])


def _proven_in_flight(inside: Inside) -> None:
    batch = inside.batch(limit=1)
    inside.mark(batch)
    inside.partition.prove([(keys_of(batch)[0], ACCEPTED)])
    assert 2 == _refs(inside)
    inside.end_leases()
    inside.sweep()


def _cancelled_in_lane(inside: Inside) -> None:
    inside.partition.cancel(inside.waiting(Lane.BULK)[:1])
    assert 2 == _refs(inside)  # its job still lies there
    inside.settle(inside.batch(limit=1), GIVEN_BACK)


def _cancelled_in_claim(inside: Inside) -> None:
    batch = inside.batch(limit=1)
    inside.partition.cancel(keys_of(batch))
    assert 0 == inside.mark(batch)


def _cancelled_unmarked(inside: Inside) -> None:
    batch = inside.batch(limit=1)
    inside.partition.cancel(keys_of(batch))
    inside.partition.settle(batch.id, [], UNPOSTED, GateRules())


def _cancelled_retry(inside: Inside) -> None:
    (key,) = keys_of(inside.deliver(fate=RETRIED, limit=1))
    inside.partition.cancel([key])


def _expired_in_lane(inside: Inside) -> None:
    inside.expire(*inside.waiting(Lane.BULK)[:1])
    inside.settle(inside.batch(limit=1), GIVEN_BACK)


def _expired_by_scan(inside: Inside) -> None:
    inside.expire(*inside.waiting(Lane.BULK)[:1])
    inside.partition.expire(Lane.BULK, 0)
    inside.settle(inside.batch(limit=1), GIVEN_BACK)


def _expired_at_mark(inside: Inside) -> None:
    batch = inside.batch(limit=1)
    inside.expire(*keys_of(batch))
    inside.mark(batch)


def _expired_retry(inside: Inside) -> None:
    (key,) = keys_of(inside.deliver(fate=RETRIED, limit=1))
    inside.expire(key)
    inside.arrive()
    inside.sweep()


@pytest.mark.parametrize(
    "ending",
    [
        _settled(ACCEPTED),
        _settled(REJECTED),
        _dead,
        _unknown,
        _proven_in_doubt,
        _proven_unknown,
        _proven_in_flight,
        _cancelled_in_lane,
        _cancelled_in_claim,
        _cancelled_unmarked,
        _cancelled_retry,
        _expired_in_lane,
        _expired_by_scan,
        _expired_at_mark,
        _expired_retry,
    ],
)
def test_every_ending_gives_its_content_back(inside: Inside, ending: Callable[[Inside], None]) -> None:
    """Two messages need it; one ends, in whatever way, and one is left; the last takes it along."""
    inside.outbox.broadcast(CONTENT, NUMBERS)
    assert 2 == _refs(inside)

    ending(inside)

    assert 1 == _refs(inside)
    inside.deliver(fate=ACCEPTED)
    assert 0 == _refs(inside)


@pytest.mark.parametrize("fate", [RETRIED, DOUBTED, GIVEN_BACK, DEAD])
def test_what_may_go_again_keeps_its_content(inside: Inside, fate: Settlement) -> None:
    """A retry, a doubt, a message given back and a dead one may all need it once more."""
    inside.outbox.broadcast(CONTENT, NUMBERS)
    inside.deliver(fate=fate)

    assert 2 == _refs(inside)


def test_a_redriven_message_finds_its_content(inside: Inside) -> None:
    """Dead messages of a broadcast go again with what they were to say."""
    inside.outbox.broadcast(CONTENT, NUMBERS)
    keys = keys_of(inside.deliver(fate=DEAD))
    inside.partition.redrive("X", keys, 60)

    batch = inside.batch()

    (digest,) = inside.content_refs()
    assert inside.partition.contents([digest])
    assert 2 == len(batch.jobs)


def test_the_same_content_again_is_counted_on_top(inside: Inside) -> None:
    """Two broadcasts of one content share it; a number that is in one of them twice counts once."""
    inside.outbox.broadcast(CONTENT, [*NUMBERS, *NUMBERS])
    inside.outbox.broadcast(CONTENT, NUMBERS)

    assert 4 == _refs(inside)
    assert 1 == len(inside.content_refs())


def test_content_outlives_its_first_chunk(inside: Inside) -> None:
    """Each chunk carries the content: when all that came was delivered, the next brings it again."""
    recipients = [f"+3160{n:07}" for n in range(1001)]
    key = "sale"
    inside.outbox.broadcast(CONTENT, recipients[:1000], idempotency_key=key)
    inside.deliver(fate=ACCEPTED)
    assert 0 == _refs(inside)

    again = inside.outbox.broadcast(CONTENT, recipients, idempotency_key=key)

    assert (1, 1000) == (again.enqueued, again.duplicates)
    assert 1 == _refs(inside)
