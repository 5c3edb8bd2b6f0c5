"""What a claim takes, and in which order."""

import pytest
from inside import GIVEN_BACK, Inside, key_of, keys_of

from cmqueue import Message
from cmqueue.claim import Batch, Empty, Linger
from cmqueue.lane import Lane


def _enqueue(inside: Inside, lane: str = "normal", count: int = 1, text: str = "hi") -> list[str]:
    messages = [Message(sender="Acme", to=f"+316000000{n:02}", text=text) for n in range(count)]
    return [key_of(receipt.id) for receipt in inside.outbox.enqueue_many(messages, lane=lane)]  # type: ignore[union-attr]


def _returning(inside: Inside, count: int) -> list[str]:
    """Messages that wait in the lane to come back."""
    keys = _enqueue(inside, count=count)
    inside.settle(inside.batch(limit=count), GIVEN_BACK)
    return keys


def test_nothing_waits(inside: Inside) -> None:
    """An empty outbox gives nothing."""
    assert Empty() == inside.claim()


@pytest.mark.parametrize("order", [(Lane.URGENT, Lane.BULK), (Lane.BULK, Lane.URGENT)])
def test_lanes_are_asked_in_the_order_given(inside: Inside, order: tuple[Lane, ...]) -> None:
    """The first lane that has any gives the whole batch."""
    for lane in order:
        _enqueue(inside, lane)

    batch = inside.batch(*order)

    assert (order[0], 1) == (batch.lane, len(batch.jobs))
    assert order[1] is inside.batch(*order).lane


def test_a_lane_that_is_not_asked_is_left_alone(inside: Inside) -> None:
    """A claim of urgent messages never takes bulk."""
    _enqueue(inside, "bulk")

    assert Empty() == inside.claim(Lane.URGENT, Lane.NORMAL)


def test_a_lane_keeps_its_order(inside: Inside) -> None:
    """First in, first out, across batches."""
    keys = _enqueue(inside, count=7)

    assert [keys[:3], keys[3:6], keys[6:]] == [keys_of(inside.batch(limit=3)) for _ in range(3)]


def test_a_claim_takes_no_more_than_its_limit(inside: Inside) -> None:
    """What lies beyond stays for the next."""
    _enqueue(inside, count=7)

    assert 4 == len(inside.batch(limit=4).jobs)


def test_what_comes_back_takes_half_of_a_batch_ahead_of_the_fresh(inside: Inside) -> None:
    """Retries are not starved by a flood, and the flood is not starved by retries."""
    returning = _returning(inside, 6)
    fresh = _enqueue(inside, count=6)

    assert returning[:2] + fresh[:2] == keys_of(inside.batch(limit=4))


@pytest.mark.parametrize(("returning", "fresh"), [(6, 1), (1, 6)])
def test_either_fills_what_the_other_leaves(inside: Inside, returning: int, fresh: int) -> None:
    """A batch is full while anything waits."""
    back, new = _returning(inside, returning), _enqueue(inside, count=fresh)

    taken = keys_of(inside.batch(limit=6))

    expected = back[:5] + new if returning > fresh else back + new[:5]
    assert expected == taken


def test_too_many_bytes_go_back_to_their_place(inside: Inside) -> None:
    """The surplus returns to the list it came from, in order: nothing overtakes."""
    returning = _returning(inside, 3)
    fresh = _enqueue(inside, count=3)
    size = len(inside.client.lindex(inside.at("lane:n"), 0))

    assert returning[:2] == keys_of(inside.batch(byte_cap=2 * size))
    assert [returning[2], *fresh] == keys_of(inside.batch())
    inside.check()


def test_one_message_goes_whatever_its_size(inside: Inside) -> None:
    """A message larger than the cap travels alone, or it would wait for ever."""
    keys = _enqueue(inside, count=2, text="x" * 500)

    assert keys[:1] == keys_of(inside.batch(byte_cap=10))


def test_a_batch_that_is_not_full_lingers(inside: Inside) -> None:
    """It waits for company where its lane says so, and nothing is taken."""
    keys = _enqueue(inside, count=2)

    assert Linger(Lane.NORMAL) == inside.claim(linger=[Lane.NORMAL], limit=3)
    assert keys == keys_of(inside.batch(linger=[Lane.BULK], limit=3))


def test_a_full_batch_does_not_linger(inside: Inside) -> None:
    """There is nobody to wait for."""
    _enqueue(inside, count=3)

    assert isinstance(inside.claim(linger=[Lane.NORMAL], limit=3), Batch)


def test_a_lane_full_of_expired_messages_is_not_empty(inside: Inside) -> None:
    """A claim looks at five batches' worth; where more waits it says so, and the next one goes on."""
    keys = _enqueue(inside, count=7)
    inside.expire(*keys[:6])

    assert (Linger(Lane.NORMAL), keys[:5]) == inside.claim_telling(limit=1)
    claim, expired = inside.claim_telling(limit=1)

    assert isinstance(claim, Batch)
    assert (keys[6:], keys[5:6]) == (keys_of(claim), expired)
    inside.check()


def test_a_held_lane_is_passed_over(inside: Inside) -> None:
    """Its messages stay queued, the other lanes go on."""
    _enqueue(inside, "normal")
    _enqueue(inside, "bulk")
    inside.client.hset(inside.at("pauses"), "n", "paused")

    assert Lane.BULK is inside.batch().lane
    assert Empty() == inside.claim()


def test_the_same_batch_id_gets_the_same_batch(inside: Inside) -> None:
    """A claim whose reply was lost is asked again, and takes nothing more."""
    keys = _enqueue(inside, count=4)

    claims = [inside.partition.claim("again", [Lane.NORMAL], lease=60, limit=2)[0] for _ in range(2)]

    assert claims[0] == claims[1]
    assert isinstance(claims[0], Batch)
    assert keys[:2] == keys_of(claims[0])
    assert keys[2:] == keys_of(inside.batch())
