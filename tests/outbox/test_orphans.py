"""Batches whose holder vanished: free to go again when never posted, in doubt otherwise."""

import pytest
from inside import ACCEPTED, Inside, key_of, keys_of

from cmqueue import Message
from cmqueue.claim import Batch, Held
from cmqueue.lane import Lane
from cmqueue.state import Reason, State
from cmqueue.sweep import SweepRules


def _enqueue(inside: Inside, count: int, **options: object) -> list[str]:
    messages = [Message(sender="Acme", to=f"+316000000{n:02}", text="hi") for n in range(count)]
    return [key_of(receipt.id) for receipt in inside.outbox.enqueue_many(messages, **options)]  # type: ignore[union-attr]


def _vanish(inside: Inside, **options: object) -> Batch:
    """A worker claims and is never heard of again."""
    batch = inside.batch(**options)
    inside.end_leases()
    inside.sweep()
    return batch


def test_an_orphan_is_leased_out_whole(inside: Inside) -> None:
    """Never posted, so free to go again: the same messages in the same order, whatever the limit."""
    keys = _enqueue(inside, 5)
    _vanish(inside)
    _enqueue(inside, 2)

    assert keys == keys_of(inside.batch(limit=2))
    inside.check()


def test_a_reclaimed_batch_can_no_longer_be_marked(inside: Inside) -> None:
    """Fencing: who comes back after its lease was taken away must not post."""
    _enqueue(inside, 2)
    batch = _vanish(inside)

    assert inside.mark(batch) is None
    inside.batch()
    assert inside.mark(batch) is None


def test_a_lease_that_is_renewed_is_not_reclaimed(inside: Inside) -> None:
    """The mark came between the sweeper's look and its sweep: the batch stays with its holder."""
    _enqueue(inside, 1)
    batch = inside.batch()
    inside.end_leases()
    seen = inside.partition.lost()
    inside.mark(batch)

    swept = inside.partition.sweep(SweepRules(), list(Lane), lost=seen)

    assert [batch.id] == [lost.id for lost in seen]
    assert [] == swept.told


@pytest.mark.parametrize("marked", [False, True], ids=["claimed", "posting"])
def test_a_batch_that_was_marked_since_it_was_read_is_left_alone(inside: Inside, marked: bool) -> None:
    """It may have been posted since: its new doubt must be read and told of before anything resends it."""
    _enqueue(inside, 1, guarantee="at_least_once")
    batch = inside.batch()
    if marked:
        inside.mark(batch)
    inside.end_leases()
    seen = inside.partition.lost()
    inside.mark(batch)
    inside.end_leases()

    assert [] == inside.partition.sweep(SweepRules(), list(Lane), lost=seen).told
    (again,) = inside.partition.lost()
    assert ([marked], True) == ([lost.posting for lost in seen], again.posting)
    swept = inside.partition.sweep(SweepRules(), list(Lane), lost=[again])
    assert ["ambiguous"] == [told.word for told in swept.told]
    inside.check()


def test_the_third_reclaim_splits(inside: Inside) -> None:
    """A batch that nobody survives is halved, so that its killer is found."""
    keys = _enqueue(inside, 5)
    for _ in range(3):
        _vanish(inside)

    halves = [keys_of(inside.batch()) for _ in range(2)]

    assert [keys[:2], keys[2:]] == halves
    inside.check()


def test_a_lone_killer_ends_dead(inside: Inside) -> None:
    """Three workers died of one message: it goes to the dead, and the others go on."""
    killer, *_ = keys = _enqueue(inside, 4)
    lives = 0
    while State.DEAD is not inside.state(killer):
        lives += 1
        batch = inside.batch()
        if killer in keys_of(batch):
            inside.end_leases()
            inside.sweep()
        else:
            inside.settle(batch, ACCEPTED)
        assert lives < 30

    status = inside.outbox.status(inside.partition.code + killer)
    assert status is not None
    assert Reason.POISON.text == status.reason
    while isinstance(claim := inside.claim(), Batch):
        inside.settle(claim, ACCEPTED)
    assert {State.ACCEPTED: len(keys) - 1, State.DEAD: 1} == +inside.outbox.audit().finished
    inside.check()


def test_a_reclaimed_posting_batch_is_in_doubt(inside: Inside) -> None:
    """A crash after the mark may have sent it: each message waits its guarantee's window, attempt counted."""
    (careful,) = _enqueue(inside, 1, guarantee="at_most_once")
    (eager,) = _enqueue(inside, 1, guarantee="at_least_once")
    inside.mark(inside.batch(Lane.NORMAL))
    inside.end_leases()
    now = inside.now_ms()

    inside.sweep(reconcile=100, resend_after={Lane.NORMAL: 5})

    ends = {key: end - now for key, end in inside.doubt_ends().items()}
    assert 100_000 <= ends[careful] < 101_000
    assert 5_000 <= ends[eager] < 6_000
    row = inside.rows()[eager]
    assert (State.AMBIGUOUS, 1, Reason.WORKER_LOST) == (row.state, row.attempts, row.history[-1].reason)
    inside.check()


def test_without_a_resend_left_doubt_gets_its_whole_window(inside: Inside) -> None:
    """Only a receipt can help such a message, so it is waited for as long as for any other."""
    (key,) = _enqueue(inside, 1, guarantee="at_least_once")
    inside.mark(inside.batch())
    inside.end_leases()
    now = inside.now_ms()

    inside.sweep(reconcile=100, resend_after={Lane.NORMAL: 5}, max_resends=0)

    assert inside.doubt_ends()[key] - now >= 100_000


def test_orphans_are_enough_for_a_probe(inside: Inside) -> None:
    """Behind a closed gate a probe takes a few messages of an orphan; the rest waits, in its order."""
    keys = _enqueue(inside, 15)
    _vanish(inside)
    inside.client.hset(inside.at("gate"), mapping={"closed": "brake:x", "until": 1, "step": 1000})

    probe = inside.batch()

    assert probe.probe
    assert keys[:10] == keys_of(probe)
    inside.check()
    inside.settle(probe, ACCEPTED)
    assert keys[10:] == keys_of(inside.batch())


def test_orphans_do_not_overstep_the_bound_of_doubt(inside: Inside) -> None:
    """Where there is no room for a whole orphan, as many of it are leased out as may be in doubt."""
    keys = _enqueue(inside, 5)
    _vanish(inside)

    first = inside.batch(max_ambiguous=3)

    assert keys[:3] == keys_of(first)
    assert isinstance(inside.claim(max_ambiguous=3), Held)
    inside.settle(first, ACCEPTED)
    assert keys[3:] == keys_of(inside.batch(max_ambiguous=3))
    inside.check()


def test_an_orphan_of_expired_messages_hides_no_other(inside: Inside) -> None:
    """The next orphan is taken in the same claim."""
    old = _enqueue(inside, 2)
    inside.batch(limit=2)
    new = _enqueue(inside, 2)
    inside.batch(limit=2)
    inside.end_leases()
    inside.sweep()
    inside.expire(*old)

    claim, expired = inside.claim_telling()

    assert sorted(old) == sorted(expired)
    assert isinstance(claim, Batch)
    assert new == keys_of(claim)
    inside.check()


def test_a_withdrawn_orphan_is_not_handed_out(inside: Inside) -> None:
    """A message cancelled while its batch lies orphaned stays out when it is leased again."""
    first, second = _enqueue(inside, 2)
    _vanish(inside)
    assert "c" == inside.partition.cancel([first])

    assert [second] == keys_of(inside.batch())
    inside.check()
