"""How a batch ends: what settles, what is given back, and what comes too late."""

from inside import ACCEPTED, ANSWERED, DOUBTED, GIVEN_BACK, UNPOSTED, Inside, key_of, keys_of

from cmqueue import Message
from cmqueue.gate import GateRules
from cmqueue.lane import Lane
from cmqueue.state import State


def _enqueue(inside: Inside, count: int = 3, **options: object) -> list[str]:
    receipts = [
        inside.outbox.enqueue(Message(sender="Acme", to=f"+3160000000{n}", text="hi"), **options)
        for n in range(count)
    ]
    return [key_of(receipt.id) for receipt in receipts]


def test_an_unposted_batch_goes_back_whole_though_its_holder_knows_too_many_members(inside: Inside) -> None:
    """A mark whose reply was lost may have taken members out: what is left goes back, in its order."""
    first, cancelled, last = _enqueue(inside)
    batch = inside.batch()
    inside.partition.cancel([cancelled])
    inside.mark(batch)

    assert 0 == inside.partition.settle(batch.id, [], UNPOSTED, GateRules())
    assert [first, last] == inside.waiting(Lane.NORMAL)
    inside.check()


def test_records_for_another_number_of_messages_write_nothing(inside: Inside) -> None:
    """Settlements go by their order: after a rollback to before the mark they would end the wrong messages.

    To their worker the batch is gone, so that it proves by id what it has learnt.
    """
    _enqueue(inside)
    batch = inside.batch()
    before = inside.dump()

    assert inside.partition.settle(batch.id, [ACCEPTED], ANSWERED, GateRules()) is None
    assert before == inside.dump()


def test_what_is_proved_of_a_batch_goes_out_no_more(inside: Inside) -> None:
    """Proved while its job lies in a batch, it ends there; the others go when the lease has ended."""
    accepted, *others = _enqueue(inside)
    inside.batch()

    assert [accepted] == inside.partition.prove([(accepted, ACCEPTED)])
    inside.check()
    inside.end_leases()
    inside.sweep()

    assert others == keys_of(inside.batch())
    inside.check()


def test_messages_given_back_keep_their_place(inside: Inside) -> None:
    """What is given back goes to the front, in its order, before what came meanwhile."""
    early = _enqueue(inside)
    batch = inside.batch()
    late = _enqueue(inside, 2)

    inside.settle(batch, GIVEN_BACK)

    assert early + late == inside.waiting(Lane.NORMAL)


def test_a_member_whose_row_is_gone_leaves_nothing_behind(inside: Inside) -> None:
    """A row that was dropped under its batch is reported as missing, and its tombstone goes too."""
    (key,) = _enqueue(inside, 1)
    batch = inside.batch()
    inside.partition.cancel([key])
    inside.age_buckets()
    inside.partition.drop(60)

    assert 1 == inside.partition.settle(batch.id, [ACCEPTED], ANSWERED, GateRules())
    inside.check()


def test_a_settlement_after_the_lease_counts_while_nobody_reclaimed(inside: Inside) -> None:
    """Fencing refuses POSTs, never knowledge: the answer is written though the lease has ended."""
    (key,) = _enqueue(inside, 1)
    batch = inside.batch()
    inside.mark(batch)
    inside.end_leases()

    assert 0 == inside.settle(batch, ACCEPTED)
    assert State.ACCEPTED is inside.state(key)


def test_an_answer_for_a_reclaimed_batch_proves_its_messages(inside: Inside) -> None:
    """Settling is too late when the batch was reclaimed; what was learnt ends the doubt all the same."""
    keys = _enqueue(inside)
    batch = inside.batch()
    inside.mark(batch)
    inside.end_leases()
    inside.sweep()

    assert inside.partition.settle(batch.id, [ACCEPTED] * 3, ANSWERED, GateRules()) is None
    assert sorted(keys) == sorted(inside.partition.prove([(key, ACCEPTED) for key in keys]))
    assert {State.ACCEPTED: 3} == +inside.outbox.audit().finished
    inside.check()


def test_a_late_answer_corrects_unknown(inside: Inside) -> None:
    """`unknown` is no knowledge: a proof that comes after it says what became of the message."""
    (key,) = _enqueue(inside, 1)
    inside.deliver(fate=DOUBTED)
    inside.end_doubt()
    inside.sweep()
    assert State.UNKNOWN is inside.state(key)

    inside.partition.prove([(key, ACCEPTED)])

    assert State.ACCEPTED is inside.state(key)
    inside.check()


def test_a_late_answer_revokes_a_resend(inside: Inside) -> None:
    """A message that waits to be resent is not sent when its first attempt turns out to be accepted."""
    (key,) = _enqueue(inside, 1, guarantee="at_least_once")
    inside.deliver(fate=DOUBTED)
    inside.end_doubt()
    inside.sweep()
    assert State.QUEUED is inside.state(key)

    inside.partition.prove([(key, ACCEPTED)])

    claim, _ = inside.claim_telling()
    assert not hasattr(claim, "jobs")
    assert State.ACCEPTED is inside.state(key)
    inside.check()


def test_the_same_proof_twice_in_one_call_counts_once(inside: Inside) -> None:
    """A message proven twice at once moves once."""
    (key,) = _enqueue(inside, 1)

    assert [key] == inside.partition.prove([(key, ACCEPTED), (key, ACCEPTED)])
    inside.check()


def test_doubt_proves_nothing(inside: Inside) -> None:
    """Only an acceptance or a refusal is knowledge."""
    (key,) = _enqueue(inside, 1)

    assert [] == inside.partition.prove([(key, DOUBTED), (key, GIVEN_BACK)])
    assert State.QUEUED is inside.state(key)


def test_what_a_message_ended_as_is_not_settled_again(inside: Inside) -> None:
    """A receipt that came before the settlement wins: the row is finished, and its job goes."""
    (key,) = _enqueue(inside, 1)
    batch = inside.batch()
    inside.mark(batch)
    inside.partition.prove([(key, ACCEPTED)])

    inside.partition.settle(batch.id, [DOUBTED], ANSWERED, GateRules())

    assert State.ACCEPTED is inside.state(key)
    assert [] == list(inside.places())
    inside.check()


def test_given_back_at_the_mark_goes_to_the_front(inside: Inside) -> None:
    """Members that did not fit the request lead their lane, in their order; the rest is marked."""
    first, second, third = _enqueue(inside)
    batch = inside.batch()

    assert 1 == inside.mark(batch, second, third)

    assert [second, third] == inside.waiting(Lane.NORMAL)
    assert [first] == keys_of(batch._replace(jobs=inside.partition.members(batch.id)))
    inside.check()
