"""The ways in: one message, any number of them, one content to many; each exactly once."""

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice

import pytest
from inside import ACCEPTED, Inside, key_of, keys_of

from cmqueue import IdempotencyConflict, InvalidMessage, Message, Outbox, Receipt, Refusal
from cmqueue.chunk import CHUNK
from cmqueue.job import Job
from cmqueue.lane import Lane
from cmqueue.settings import LibrarySettings

HELLO = Message(sender="Acme", to="+31600000001", text="hi")
CONTENT = {"sender": "Acme", "text": "Sale"}


def _numbers(count: int) -> list[str]:
    return [f"+3160{n:07}" for n in range(count)]


def _endless(taken: list[int], bad: int = -1) -> Iterator[dict[str, str]]:
    """Messages without end; `taken` counts how many were asked for."""
    while True:
        taken.append(1)
        number = "nonsense" if len(taken) - 1 == bad else f"+3160{len(taken):07}"
        yield {"sender": "Acme", "to": number, "text": "hi"}


# --- idempotency keys --------------------------------------------------------------------------------------


def test_the_same_key_and_payload_is_the_same_message(inside: Inside) -> None:
    """A repeat gets the first id and reference, and nothing more is queued."""
    first, second = (inside.outbox.enqueue(HELLO, idempotency_key="login") for _ in range(2))

    assert first._replace(duplicate=True) == second
    assert 1 == inside.outbox.audit().enqueued
    inside.check()


def test_a_key_outlives_its_message(inside: Inside) -> None:
    """Sent and done: the same key still gives the first id."""
    first = inside.outbox.enqueue(HELLO, idempotency_key="login")
    inside.deliver(fate=ACCEPTED)

    assert first._replace(duplicate=True) == inside.outbox.enqueue(HELLO, idempotency_key="login")


@pytest.mark.parametrize(
    "other",
    [
        Message(sender="Acme", to="+31600000002", text="hi"),
        Message(sender="Acme", to="+31600000001", text="ho"),
        Message(sender="Other", to="+31600000001", text="hi"),
    ],
)
def test_the_same_key_for_another_payload_is_a_conflict(inside: Inside, other: Message) -> None:
    """Another number or content: refused, naming the first message, and nothing is queued."""
    first = inside.outbox.enqueue(HELLO, idempotency_key="login")

    with pytest.raises(IdempotencyConflict) as raised:
        inside.outbox.enqueue(other, idempotency_key="login")

    assert first.id == raised.value.id
    assert 1 == inside.outbox.audit().enqueued


def test_a_key_knows_its_number_however_it_is_written(inside: Inside) -> None:
    """The payload is compared as it goes to CM."""
    inside.outbox.enqueue(HELLO, idempotency_key="login")
    again = {"sender": "Acme", "to": "0031 600-000001", "text": "hi"}

    assert inside.outbox.enqueue(again, idempotency_key="login").duplicate


def test_one_and_many_share_their_keys(inside: Inside) -> None:
    """A key used with enqueue is known to enqueue_many, and the other way round."""
    keyed = HELLO.model_copy(update={"idempotency_key": "login"})
    first = inside.outbox.enqueue(keyed)

    assert [first._replace(duplicate=True)] == list(inside.outbox.enqueue_many([keyed]))


def test_keys_meet_in_one_shard(inside: Inside) -> None:
    """With several shards a key's messages fall to the same, whichever call brings them."""
    settings = LibrarySettings(redis_url=inside.outbox.settings.redis_url, shards=8)
    with Outbox(settings) as sharded:
        sharded.waker.wake = lambda *_: True  # type: ignore[method-assign]
        messages = [HELLO.model_copy(update={"idempotency_key": f"key-{n}"}) for n in range(20)]
        first = [sharded.enqueue(message) for message in messages]
        again = list(sharded.enqueue_many(messages))

        assert [receipt._replace(duplicate=True) for receipt in first] == again
        assert 20 == sharded.audit().enqueued
        assert len({receipt.id[:2] for receipt in first}) > 1


def test_a_key_twice_in_one_chunk_is_one_message(inside: Inside) -> None:
    """The second is a duplicate of the first, or a conflict with it."""
    keyed = [HELLO.model_copy(update={"text": text, "idempotency_key": "a"}) for text in ("hi", "hi", "ho")]

    first, second, third = inside.outbox.enqueue_many(keyed)

    assert isinstance(first, Receipt)
    assert first._replace(duplicate=True) == second
    assert isinstance(third, Refusal)
    assert (2, "idempotency_key") == (third.position, third.field)
    assert 1 == inside.outbox.audit().enqueued


# --- many ------------------------------------------------------------------------------------------------


def test_enqueue_many_is_lazy(inside: Inside) -> None:
    """Of messages without end, what is asked for is taken, and two chunks at most beyond."""
    taken: list[int] = []
    results = inside.outbox.enqueue_many(_endless(taken))
    assert [] == taken

    receipts = list(islice(results, 10))

    assert 10 == len(receipts)
    assert len(taken) <= 2 * CHUNK
    assert CHUNK == inside.outbox.audit().enqueued


def test_a_source_that_breaks_takes_nothing_with_it(inside: Inside) -> None:
    """The chunk that was on its way is written, and its reply is not the next call's."""

    def source() -> Iterator[dict[str, str]]:
        yield from islice(_endless([]), CHUNK)
        raise LookupError

    told: list[Receipt | Refusal] = []
    with pytest.raises(LookupError):
        told.extend(inside.outbox.enqueue_many(source()))

    assert CHUNK == len(told)  # what is written is told of before
    assert (CHUNK, 0, 1) == (
        inside.outbox.audit().enqueued,
        len(inside.client.connection_pool._in_use_connections),
        len(list(inside.outbox.enqueue_many([HELLO]))),
    )


def test_enqueue_many_needs_constant_memory(outbox: Outbox) -> None:
    """Twenty-five thousand messages need no more than three thousand."""
    messages = ({"sender": "Acme", "to": number, "text": "hi"} for number in cycle(_numbers(100)))
    peaks = []
    for count in (3_000, 25_000):
        tracemalloc.start()
        for _ in outbox.enqueue_many(islice(messages, count)):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    small, large = peaks
    assert large < small * 1.1 + 100_000


def test_results_keep_their_order_and_refusals_their_positions(inside: Inside) -> None:
    """A bad item is refused by its place and stops no other, in whichever chunk."""
    bad = CHUNK + 500
    results = list(inside.outbox.enqueue_many(islice(_endless([], bad), 2 * CHUNK + 1)))

    refused = [(at, result) for at, result in enumerate(results) if isinstance(result, Refusal)]
    ((at, refusal),) = refused
    assert (bad, bad, "to") == (at, refusal.position, refusal.field)
    numbers = {job.bucket + job.tail: job.number for _, job in inside.places()}
    queued = [numbers[key_of(result.id)] for result in results if isinstance(result, Receipt)]
    assert sorted(queued) == queued
    assert 2 * CHUNK == len(queued) == inside.outbox.audit().enqueued


def test_a_refusal_shows_no_value(inside: Inside) -> None:
    """Refusals are logged: no number and no text in them."""
    (refusal,) = inside.outbox.enqueue_many([{"sender": "Acme", "to": "31600000001x", "text": "secret"}])

    assert isinstance(refusal, Refusal)
    assert "31600000001x" not in str(refusal)
    assert "secret" not in str(refusal)


@pytest.mark.parametrize(
    "bad",
    [
        {"sender": "Acme", "to": "nonsense", "text": "hi"},
        {
            "sender": "Acme",
            "to": "+31600000001",
            "text": "hi",
            "validity": datetime.now(UTC) + timedelta(hours=1),
            "send_at": datetime.now(UTC) + timedelta(hours=2),
        },
    ],
)
def test_all_or_nothing(inside: Inside, bad: dict[str, object]) -> None:
    """One bad message among two thousand, and none is queued."""
    good = list(islice(_endless([]), 2 * CHUNK))

    with pytest.raises(InvalidMessage):
        list(inside.outbox.enqueue_many([*good, bad], all_or_nothing=True))

    assert 0 == inside.outbox.audit().enqueued


def test_one_key_for_many_messages_is_refused(inside: Inside) -> None:
    """A key names one message."""
    with pytest.raises(InvalidMessage):
        inside.outbox.enqueue_many([HELLO], idempotency_key="all")


def test_nothing_is_enqueued_of_nothing(inside: Inside) -> None:
    """An empty iterable is an empty result, and so is a broadcast to nobody."""
    assert [] == list(inside.outbox.enqueue_many([]))
    assert 0 == inside.outbox.broadcast(CONTENT, []).enqueued


# --- broadcasts ------------------------------------------------------------------------------------------


def test_a_broadcast_shares_its_reference(inside: Inside) -> None:
    """All recipients under one reference; each has an id of its own."""
    broadcast = inside.outbox.broadcast(CONTENT, _numbers(3))

    assert {broadcast.reference} == {receipt.reference for receipt in broadcast}
    assert 3 == len({receipt.id for receipt in broadcast}) == broadcast.enqueued


def test_the_same_number_twice_is_one_message(inside: Inside) -> None:
    """Reported as a duplicate with its id, also across chunks and however it is written."""
    numbers = [*_numbers(CHUNK + 1), "+31600000000", "0031600000000"]

    broadcast = inside.outbox.broadcast(CONTENT, numbers)

    receipts = list(broadcast)
    assert (CHUNK + 1, 2) == (broadcast.enqueued, broadcast.duplicates)
    assert [receipts[0]._replace(duplicate=True)] * 2 == receipts[-2:]
    inside.check()


def test_bad_recipients_are_refused_by_position(inside: Inside) -> None:
    """They stop no other."""
    broadcast = inside.outbox.broadcast(CONTENT, ["nonsense", *_numbers(2), "+1"])

    assert [0, 3] == [refusal.position for refusal in broadcast.refused]
    assert 2 == broadcast.enqueued


def test_a_repeat_with_its_key_enqueues_only_the_missed(inside: Inside) -> None:
    """After a call that broke off, the same call again completes it under the same reference."""
    numbers = _numbers(5)
    first = inside.outbox.broadcast(CONTENT, numbers[:3], idempotency_key="sale")
    inside.deliver(fate=ACCEPTED)

    second = inside.outbox.broadcast(CONTENT, numbers, idempotency_key="sale")

    assert (first.reference, 2, 3) == (second.reference, second.enqueued, second.duplicates)
    sent = [Job.unpack(job).number for job in inside.batch(Lane.BULK).jobs]
    assert ["0031600000003", "0031600000004"] == sent
    inside.check()


def test_a_broadcasts_key_for_another_content_is_a_conflict(inside: Inside) -> None:
    """The key belongs to the first content."""
    inside.outbox.broadcast(CONTENT, _numbers(1), idempotency_key="sale")

    with pytest.raises(IdempotencyConflict):
        inside.outbox.broadcast({"sender": "Acme", "text": "Other"}, _numbers(1), idempotency_key="sale")

    assert 1 == inside.outbox.audit().enqueued


@pytest.mark.parametrize("ending", ["accepted", "cancelled before it was due"])
def test_rows_stay_as_long_as_the_key_of_their_broadcast(inside: Inside, ending: str) -> None:
    """Their retention over, or a shorter one than the key's: a repeat must still find whom it reached."""
    due = datetime.now(UTC) + timedelta(days=40)
    options = {"idempotency_key": "sale"} | ({"send_at": due} if ending != "accepted" else {})
    first = inside.outbox.broadcast(CONTENT, _numbers(3), **options)
    if ending == "accepted":
        inside.deliver(fate=ACCEPTED)
    else:
        inside.partition.cancel([key_of(receipt.id) for receipt in first])
    inside.age_buckets()

    assert 0 == inside.partition.drop(60)
    again = inside.outbox.broadcast(CONTENT, _numbers(3), **options)
    assert (0, 3) == (again.enqueued, again.duplicates)
    inside.end_keys()
    inside.age_buckets()
    assert 3 == inside.partition.drop(60)
    assert 3 == inside.outbox.broadcast(CONTENT, _numbers(3), **options).enqueued
    inside.check()


def test_a_repeat_lengthens_the_key_and_keeps_the_rows(inside: Inside) -> None:
    """One that begins just before the key's end may stream on past it."""
    inside.outbox.broadcast(CONTENT, _numbers(3), idempotency_key="sale")
    inside.deliver(fate=ACCEPTED)
    (name,) = inside.client.keys(inside.at("idem:*"))
    (tally,) = inside.client.keys(inside.at("tally:*"))
    inside.client.expire(name, 5)
    inside.client.hset(tally, "until", 5)
    life = inside.outbox.settings.key_life

    again = inside.outbox.broadcast(CONTENT, _numbers(3), idempotency_key="sale")

    assert (0, 3) == (again.enqueued, again.duplicates)
    assert life - 5 < inside.client.ttl(name) <= life
    assert life <= int(inside.client.hget(tally, "until")) - inside.now_ms() // 1000 <= life + 1


def test_a_broadcast_without_recipients_leaves_nothing(inside: Inside) -> None:
    """Its bucket is forgotten with its key, though nothing ever finished in it."""
    inside.outbox.broadcast(CONTENT, [], idempotency_key="sale")
    assert 0 == inside.partition.drop(0)
    inside.end_keys()

    for bucket in inside.client.zrange(inside.at("buckets"), 0, -1):
        inside.client.zadd(inside.at("buckets"), {bucket: 1})
    assert 0 == inside.partition.drop(60)

    assert {} == inside.dump("counts")


def test_messages_of_one_call_keep_their_order(inside: Inside) -> None:
    """Across chunks too: what came first is claimed first."""
    broadcast = inside.outbox.broadcast(CONTENT, _numbers(2 * CHUNK + 1))

    claimed = [key for _ in range(3) for key in keys_of(inside.batch())]

    assert [key_of(receipt.id) for receipt in broadcast] == claimed


def test_what_a_row_remembers(inside: Inside) -> None:
    """The caller's own words come back with the status, byte for byte."""
    receipt = inside.outbox.enqueue(
        HELLO, client_reference="Ordre nº 1", campaign="été", metadata={"a": ["ø", 1, None], "b": {}}
    )

    status = inside.outbox.status(receipt.id)

    assert status is not None
    assert ("Ordre nº 1", "été", {"a": ["ø", 1, None], "b": {}}) == (
        status.client_reference,
        status.campaign,
        status.metadata,
    )
