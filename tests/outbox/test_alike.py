"""One content to many recipients, each a message with a receipt and an idempotency key of its own."""

from __future__ import annotations

import time

import pytest
from inside import Inside

from cmqueue import Content, InvalidMessage, Outbox, Receipt, Refusal, State, chunk
from cmqueue.alike import Alike, enqueue_alike
from cmqueue.identity import bucket_at
from cmqueue.job import Job
from cmqueue.lane import Lane
from cmqueue.message import Options
from cmqueue.settings import LibrarySettings

CONTENT = {"sender": "Acme", "text": "Sale"}
NUMBERS = [f"003160000000{n}" for n in range(4)]


def _receipts(results: list[Receipt | Refusal]) -> list[Receipt]:
    assert all(isinstance(result, Receipt) for result in results), results
    return [result for result in results if isinstance(result, Receipt)]


def _jobs(inside: Inside) -> list[Job]:
    return [Job.unpack(packed) for packed in inside.batch(Lane.NORMAL).jobs]


def test_each_recipient_has_a_receipt_and_the_content_lies_there_once(inside: Inside) -> None:
    """In the order asked, all under one reference, so that one `msg` can carry them."""
    receipts = _receipts(enqueue_alike(inside.outbox, CONTENT, NUMBERS))

    inside.check()
    assert [4] == list(inside.content_refs().values())
    assert 1 == len({receipt.reference for receipt in receipts})
    jobs = _jobs(inside)
    assert NUMBERS == [job.number for job in jobs]
    assert [receipt.id[2:] for receipt in receipts] == [job.bucket + job.tail for job in jobs]
    assert all(inside.state(receipt.id[2:]) for receipt in receipts)


def test_the_same_number_twice_is_two_messages(inside: Inside) -> None:
    """(reference, number) names a message, so the second goes under another reference."""
    again = [NUMBERS[0], NUMBERS[1], NUMBERS[0], NUMBERS[0]]

    receipts = _receipts(enqueue_alike(inside.outbox, CONTENT, again))

    inside.check()
    assert 4 == len({receipt.id for receipt in receipts}) == len(_jobs(inside))
    references = [receipt.reference for receipt in receipts]
    assert references[0] == references[1]
    assert 3 == len(set(references))


def test_a_bad_recipient_stops_no_other(inside: Inside) -> None:
    """It is refused at its place."""
    results = enqueue_alike(inside.outbox, CONTENT, [NUMBERS[0], "oops", NUMBERS[1]])

    assert [Receipt, Refusal, Receipt] == [type(result) for result in results]
    assert isinstance(results[1], Refusal)
    assert (1, "to") == (results[1].position, results[1].field)
    assert NUMBERS[:2] == [job.number for job in _jobs(inside)]


def test_nothing_but_bad_recipients_reaches_redis(inside: Inside) -> None:
    """No call is made for none."""
    assert [Refusal, Refusal] == [type(one) for one in enqueue_alike(inside.outbox, CONTENT, ["x", "y"])]
    assert {} == inside.rows()


def test_a_bad_content_is_raised(inside: Inside) -> None:
    """It is wrong for all of them."""
    with pytest.raises(InvalidMessage, match="text"):
        enqueue_alike(inside.outbox, {"sender": "Acme", "text": ""}, NUMBERS)
    with pytest.raises(InvalidMessage, match="validity"):
        enqueue_alike(inside.outbox, CONTENT | {"validity": "2020-01-01 12:00:00 GMT"}, NUMBERS)


def test_a_key_belongs_to_its_place(inside: Inside) -> None:
    """A repeat gets the ids of before and queues what is new; a key of another payload is refused."""
    keys = ["a", "b", None, "c"]
    first = _receipts(enqueue_alike(inside.outbox, CONTENT, NUMBERS, keys=keys))

    changed = [*NUMBERS[:2], NUMBERS[2], "0031600000099"]
    again = enqueue_alike(inside.outbox, CONTENT, changed, keys=keys)

    inside.check()
    assert [
        Receipt(first[0].id, first[0].reference, duplicate=True),
        Receipt(first[1].id, first[1].reference, duplicate=True),
    ] == again[:2]
    assert isinstance(again[2], Receipt)
    assert not again[2].duplicate
    assert isinstance(again[3], Refusal)
    assert (3, "idempotency_key") == (again[3].position, again[3].field)
    assert 5 == len(_jobs(inside))


def test_a_key_is_the_same_to_a_single_message(inside: Inside) -> None:
    """What went in with others is known when it comes alone, and the other way round."""
    outbox = inside.outbox
    (first, *_) = _receipts(enqueue_alike(outbox, CONTENT, NUMBERS, keys=["a", "b", "c", "d"]))
    alone = outbox.enqueue(CONTENT | {"to": NUMBERS[0]}, idempotency_key="a")
    single = outbox.enqueue(CONTENT | {"to": NUMBERS[1]}, idempotency_key="z")
    (with_others,) = _receipts(enqueue_alike(outbox, CONTENT, [NUMBERS[1]], keys=["z"]))

    assert (first.id, True) == (alone.id, alone.duplicate)
    assert (single.id, True) == (with_others.id, with_others.duplicate)


@pytest.mark.parametrize(("keys", "letters"), [([None] * 4, b"nnnn"), (["a", "b", "a", "d"], b"nncn")])
def test_a_repeated_call_changes_nothing(inside: Inside, keys: list[str | None], letters: bytes) -> None:
    """A lost reply is asked for again: the same verdicts, the same books."""
    registry, now = inside.outbox.registry, time.time()
    common = chunk.shared(Content(**CONTENT), Lane.NORMAL, Options(), now)
    place = inside.partition.code + bucket_at(now)
    alike = Alike(common, Lane.NORMAL, account="default", place=place, keys=registry.keys)
    for at, (number, name) in enumerate(zip(NUMBERS, keys, strict=True)):
        alike.add(at, number, name)
    args = alike.arguments(60)

    first = inside.partition.enqueue(args)[1:]
    before = inside.dump()
    second = inside.partition.enqueue(args)[1:]

    assert letters == first[0]
    assert first == second
    assert before == inside.dump()
    inside.check()


def test_what_belongs_to_the_message_is_kept(inside: Inside) -> None:
    """The client reference, for each; and a message for later is scheduled."""
    (receipt, *_) = _receipts(
        enqueue_alike(
            inside.outbox, CONTENT, NUMBERS, client_reference="order_1", send_at="2099-01-01T12:00:00Z"
        )
    )

    status = inside.outbox.status(receipt.id)
    assert status is not None
    assert (State.SCHEDULED, "order_1") == (status.state, status.client_reference)


def test_the_keys_decide_the_shard(inside: Inside) -> None:
    """With several shards a key's message falls to the same, and the results keep their order."""
    settings = LibrarySettings(redis_url=inside.outbox.settings.redis_url, shards=8)
    keys: list[str | None] = [f"key{n}" for n in range(20)]
    numbers = [f"00316000000{n:02}" for n in range(20)]
    with Outbox(settings) as outbox:
        outbox.waker.wake = lambda *_: True  # type: ignore[method-assign]
        first = _receipts(enqueue_alike(outbox, CONTENT, numbers, keys=keys))
        again = _receipts(enqueue_alike(outbox, CONTENT, numbers, keys=keys))

        assert len({receipt.id[:2] for receipt in first}) > 1
        assert [(receipt.id, True) for receipt in first] == [(one.id, one.duplicate) for one in again]
        assert outbox.audit().balanced
