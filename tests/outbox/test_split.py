"""Halving a batch that CM refused as a whole: exact at every step, wherever its holder dies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from inside import ACCEPTED, ANSWERED, DEAD, GIVEN_BACK, Inside, key_of, keys_of

from cmqueue.claim import Batch
from cmqueue.gate import GateRules
from cmqueue.graveyard import graves
from cmqueue.lane import Lane
from cmqueue.message import Content
from cmqueue.settlement import Poison, Settlement
from cmqueue.state import Reason, State

POISONED = Settlement(State.DEAD, Reason.POISON, code=202)
INTO = ("first", "second")


def posting(inside: Inside, size: int, **options: Any) -> Batch:
    """A batch of so many messages that is being posted."""
    numbers = (f"0031600000{n:03}" for n in range(size))
    inside.outbox.broadcast(Content(sender="Acme", text="Sale"), numbers, lane="bulk", **options)
    batch = inside.batch(Lane.BULK)
    inside.mark(batch)
    return batch


def split(inside: Inside, batch: Batch, into: tuple[str, str] = INTO, **options: Any) -> Any:
    return inside.partition.split(batch, into, **{"lease": 60} | options)


def meta(inside: Inside, id: str) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = inside.client.hgetall(inside.at(f"meta:{id}"))
    return found


@pytest.mark.parametrize(("size", "halves"), [(2, (1, 1)), (7, (4, 3)), (1000, (500, 500))])
def test_both_halves_keep_the_order(inside: Inside, size: int, halves: tuple[int, int]) -> None:
    """The first half, the larger one if any, then the second; the batch itself is gone."""
    batch = posting(inside, size)

    first, second = split(inside, batch)

    assert (INTO, halves) == ((first.id, second.id), (len(first.jobs), len(second.jobs)))
    assert batch.jobs == first.jobs + second.jobs
    assert first.jobs == inside.partition.members("first")
    assert second.jobs == inside.partition.members("second")
    assert {b"first", b"second"} == set(inside.client.zrange(inside.at("leases"), 0, -1))
    assert ([], {}) == (inside.partition.members(batch.id), meta(inside, batch.id))
    inside.check()


def test_a_half_is_claimed_and_no_probe(inside: Inside) -> None:
    """It was never posted nor reclaimed; the refusal was an answer, so no gate stays closed."""
    inside.client.hset(inside.at("gate"), mapping={"closed": "brake:x", "until": 1, "step": 1000})
    probe = posting(inside, 4)
    assert probe.probe

    halves = split(inside, probe)

    assert [False, False] == [half.probe for half in halves]
    assert {} == inside.gate()
    expected = {b"lane": b"b", b"phase": b"claimed", b"probe": b"0", b"reclaims": b"0"}
    assert [expected] * 2 == [meta(inside, half.id) for half in halves]
    inside.check()


def test_repeated_it_changes_nothing(inside: Inside) -> None:
    """The reply was lost: the same ids give the same halves."""
    batch = posting(inside, 5)
    first = split(inside, batch)
    before = inside.dump()

    assert first == split(inside, batch)
    assert before == inside.dump()


@pytest.mark.parametrize("when", ["reclaimed", "settled", "both halves settled"])
def test_a_batch_that_is_gone_is_not_split(inside: Inside, when: str) -> None:
    """Whoever lost the batch is told so, and nothing moves."""
    batch = posting(inside, 4)
    if when == "reclaimed":
        inside.end_leases()
        inside.sweep()
    elif when == "settled":
        inside.settle(batch, ACCEPTED)
    else:
        for half in split(inside, batch):
            inside.settle(half, ACCEPTED)
    before = inside.dump()

    assert split(inside, batch) is None
    assert before == inside.dump()
    inside.check()


@pytest.mark.parametrize("again", [False, True], ids=["reclaimed", "claimed again"])
@pytest.mark.parametrize("half", INTO)
def test_a_repeat_that_finds_a_half_lost_has_lost_the_batch(inside: Inside, half: str, again: bool) -> None:
    """The reply was lost, and so was a lease: what is another's by now is not handed out once more."""
    batch = posting(inside, 5)
    split(inside, batch)
    inside.end_leases(half)
    inside.sweep()
    if again:
        inside.batch(Lane.BULK)

    assert split(inside, batch) is None
    inside.check()


def test_an_orphan_is_not_split(inside: Inside) -> None:
    """A batch whose lease was lost before any mark keeps its id while it waits, but has no holder."""
    inside.outbox.broadcast(Content(sender="Acme", text="Sale"), ["0031600000001", "0031600000002"])
    batch = inside.batch(Lane.BULK)
    inside.end_leases()
    inside.sweep()

    assert split(inside, batch) is None
    assert 2 == len(inside.batch(Lane.BULK).jobs)


def test_the_holder_dies_after_the_split(inside: Inside) -> None:
    """Nothing of either half was taken, so both go again, in no doubt, and nobody's attempt is burnt."""
    batch = posting(inside, 5)
    split(inside, batch)
    inside.end_leases()

    told = inside.sweep().told
    inside.check()

    assert ["reclaimed"] * 2 == [one.word for one in told]
    again = [inside.batch(Lane.BULK), inside.batch(Lane.BULK)]
    assert keys_of(batch) == [key for half in again for key in keys_of(half)]
    assert {0} == {row.attempts for row in inside.rows().values()}


def test_the_holder_dies_while_it_posts_a_half(inside: Inside) -> None:
    """That half alone is in doubt."""
    batch = posting(inside, 4)
    first, second = split(inside, batch)
    inside.mark(second)
    inside.end_leases()
    inside.sweep()
    inside.check()

    assert sorted(keys_of(second)) == sorted(inside.doubt_ends())
    assert keys_of(first) == keys_of(inside.batch(Lane.BULK))


def test_halves_are_settled_each_for_itself(inside: Inside) -> None:
    """Halved to the end, one culprit dies and the rest is accepted."""
    batch = posting(inside, 4)
    first, second = split(inside, batch)
    inside.mark(first)
    inside.settle(first, ACCEPTED)
    inside.mark(second)
    culprit, innocent = split(inside, second, ("third", "fourth"))
    for one, fate in ((culprit, POISONED), (innocent, ACCEPTED)):
        inside.mark(one)
        inside.check()
        inside.settle(one, fate)

    inside.check()
    assert {State.ACCEPTED: 3, State.DEAD: 1} == +inside.outbox.audit().finished
    assert 0 == inside.client.zcard(inside.at("leases"))


def test_other_leases_are_renewed(inside: Inside) -> None:
    """The parts that wait for their turn are kept; one that was lost stays lost."""
    batch = posting(inside, 8)
    first, waiting = split(inside, batch)
    inside.mark(first)
    inside.end_leases(waiting.id)

    split(inside, first, ("third", "fourth"), renew=[waiting.id, "unknown"])

    assert {b"second", b"third", b"fourth"} == set(
        inside.client.zrangebyscore(inside.at("leases"), inside.now_ms() + 50_000, "+inf")
    )


def test_cancelled_meanwhile(inside: Inside) -> None:
    """A message of a half that waits can be cancelled, and is not posted."""
    batch = posting(inside, 4)
    _, second = split(inside, batch)
    assert "c" == inside.partition.cancel(keys_of(second)[:1])
    inside.check()

    assert 1 == inside.mark(second)
    inside.check()


# The count of successive batches, and the note.


def found(inside: Inside, poison: Poison, *, stop_lane: bool = False, note: str = "") -> str:
    """Settle one message of the lane bulk as poison; its id."""
    receipt = inside.outbox.enqueue(
        {"sender": "Acme", "to": "+31600000001", "text": "x"}, lane="bulk", campaign="spring"
    )
    batch = inside.batch(Lane.BULK)
    inside.mark(batch)
    fates = [POISONED] * len(batch.jobs)

    def settle() -> int | None:
        return inside.partition.settle(
            batch.id, fates, ANSWERED, GateRules(), stop_lane=stop_lane, poison=poison, note=note
        )

    assert (0, None) == (settle(), settle())
    inside.check()
    return receipt.id


def test_poisoned_batches_are_counted_by_lane(inside: Inside) -> None:
    """Each is counted once, however often its settlement is repeated; a clean one ends the count."""
    counts = []
    for poison in (Poison.FOUND, Poison.FOUND, Poison.UNSAID, Poison.CLEAN, Poison.FOUND):
        found(inside, poison)
        counts.append(inside.partition.poisoned(Lane.BULK))

    assert [1, 2, 2, 0, 1] == counts
    assert 0 == inside.partition.poisoned(Lane.NORMAL)


def test_a_stopped_lane_counts_afresh(inside: Inside) -> None:
    """Whoever resumes it has mended the cause."""
    found(inside, Poison.FOUND)
    found(inside, Poison.FOUND, stop_lane=True)

    assert inside.partition.resume(Lane.BULK)
    assert 0 == inside.partition.poisoned(Lane.BULK)


@pytest.mark.parametrize("campaign", [None, "spring"])
def test_a_note_is_kept_with_the_dead(inside: Inside, campaign: str | None) -> None:
    """It is shown with the message, beside what the caller gave, as long as it is dead as poison."""
    said = 'The "request" is\\malformed: één'
    batch = posting(inside, 2, campaign=campaign)
    fates = [POISONED, DEAD]
    inside.partition.settle(batch.id, fates, ANSWERED, GateRules(), note=said)

    poisoned, other = (inside.outbox.status(inside.partition.code + key) for key in keys_of(batch))
    assert poisoned is not None
    assert other is not None
    assert (said, campaign) == (poisoned.note, poisoned.campaign)
    assert said == json.loads(json.dumps(poisoned.as_json()))["note"]
    assert (None, campaign) == (other.note, other.campaign)
    assert {said, None} == {one.as_json()["note"] for one in graves(inside.outbox)}

    inside.partition.redrive("X", [key_of(poisoned.id)], 60)
    again = inside.outbox.status(poisoned.id)
    assert again is not None
    assert (None, campaign) == (again.note, again.campaign)
    inside.check()


def test_the_last_note_counts(inside: Inside) -> None:
    """Redriven and refused again, a message shows what was said the last time."""
    id = found(inside, Poison.FOUND, note="first")
    inside.partition.redrive("X", [key_of(id)], 60)
    inside.deliver(Lane.BULK, fate=GIVEN_BACK)
    batch = inside.batch(Lane.BULK)
    inside.partition.settle(batch.id, [POISONED], ANSWERED, GateRules(), note="second")

    status = inside.outbox.status(id)
    assert status is not None
    assert ("second", "spring") == (status.note, status.campaign)
