"""Each script may be repeated: a lost reply is asked for again, and the second run changes nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from inside import (
    ACCEPTED,
    ANSWERED,
    DEAD,
    DOUBTED,
    GIVEN_BACK,
    LANES,
    REJECTED,
    RETRIED,
    SILENT,
    STOPPED,
    UNPOSTED,
    Inside,
    keys_of,
)

from cmqueue import Message, chunk
from cmqueue.claim import Batch
from cmqueue.gate import Endpoint, GateRules
from cmqueue.identity import bucket_at
from cmqueue.lane import Lane
from cmqueue.message import Content, Options
from cmqueue.settlement import Settlement
from cmqueue.sweep import SweepRules

CONTENT = Content(sender="Acme", text="Sale")
NUMBERS = [f"003160000000{n}" for n in range(6)]
NOW = datetime.now(UTC)
TOMORROW = NOW + timedelta(days=1)


@pytest.fixture(autouse=True)
def _populated(inside: Inside) -> None:
    """Something in every structure: lists, schedule, doubt, dead, unknown, and batches of every kind."""
    outbox = inside.outbox
    for fate in (RETRIED, DOUBTED, DEAD, ACCEPTED, DOUBTED, GIVEN_BACK):
        if fate is DOUBTED:  # the first time, to have the unknown
            inside.end_doubt()
            inside.sweep()
        guarantee = "at_least_once" if fate is RETRIED else "at_most_once"
        outbox.broadcast(CONTENT, NUMBERS[:2], lane="urgent", guarantee=guarantee)
        inside.deliver(Lane.URGENT, fate=fate)
    outbox.broadcast(CONTENT, NUMBERS, send_at=TOMORROW)
    outbox.broadcast(CONTENT, NUMBERS[:2])
    inside.batch(Lane.BULK)
    inside.end_leases()
    inside.sweep()
    outbox.broadcast(CONTENT, NUMBERS)
    inside.batch(Lane.URGENT, limit=1)
    inside.mark(inside.batch(Lane.URGENT, limit=1))
    outbox.enqueue(Message(sender="Acme", to=NUMBERS[0], text="hi", idempotency_key="old"))
    inside.check()


def _twice(inside: Inside, run: Callable[[], Any], *changing: str) -> tuple[Any, Any]:
    """The answers of two runs; everything but `changing` is as the first one left it."""
    first = run()
    inside.check()
    before = inside.dump(*changing)
    second = run()
    assert before == inside.dump(*changing)
    inside.check()
    return first, second


def _keys(inside: Inside) -> list[str]:
    return sorted(inside.rows())


def _singles(inside: Inside, *messages: Message, **options: Any) -> list[chunk.Slot]:
    place = inside.partition.code + bucket_at(NOW.timestamp())
    keys = inside.outbox.registry.keys
    singles = chunk.Singles(Lane.NORMAL, Options(**options), account="default", keys=keys)
    return [
        singles.slot(message, place=place, random=f"AAAAAAAAA{at}", now=NOW.timestamp())
        for at, message in enumerate(messages)
    ]


def _members(inside: Inside, numbers: list[str], **options: Any) -> tuple[chunk.Shared, list[bytes]]:
    common = chunk.shared(CONTENT, Lane.BULK, Options(**options), NOW.timestamp())
    place = inside.partition.code + bucket_at(NOW.timestamp())
    key = inside.outbox.registry.key
    members = chunk.Members(common, Lane.BULK, place=place, random="B" * 10, key=key)
    return common, [members.member(number)[1] for number in numbers]


def _message(number: int, **options: Any) -> Message:
    return Message(sender="Acme", to=NUMBERS[number], text="hi", **options)


@pytest.mark.parametrize(
    ("options", "verdicts"),
    [
        ([{}], "n"),
        ([{"client_reference": "a"}, {}], "nn"),
        ([{"idempotency_key": "new"}], "n"),
        ([{"idempotency_key": "new"}, {"idempotency_key": "new"}], "nc"),
        ([{"idempotency_key": "old"}, {}, {"idempotency_key": "old"}], "dnc"),
        ([{"send_at": TOMORROW}, {"send_at": TOMORROW, "idempotency_key": "new"}], "nn"),
    ],
)
def test_enqueue(inside: Inside, options: list[dict[str, Any]], verdicts: str) -> None:
    """The same ids again: the same verdicts, whether a key, another's key or none came with them."""
    slots = _singles(inside, *[_message(at, **given) for at, given in enumerate(options)])
    args = chunk.arguments(slots, retention=60)

    first, second = _twice(inside, lambda: inside.partition.enqueue(args))

    assert verdicts == first[1].decode()
    assert first[1:] == second[1:]


@pytest.mark.parametrize("options", [{}, {"send_at": TOMORROW}])
def test_enqueue_of_a_broadcast_call(inside: Inside, options: dict[str, Any]) -> None:
    """A call that has an id of its own gets its first answer again; the repeated number stays a duplicate."""
    common, jobs = _members(inside, [*NUMBERS[:3], NUMBERS[0]], **options)
    args = chunk.member_arguments(jobs, common, retention=60, call_id=b"call-number-1")

    first, second = _twice(inside, lambda: inside.partition.enqueue(args))

    assert (b"nnnd", b"nnnd") == (first[1], second[1])


def test_enqueue_of_a_broadcast_again(inside: Inside) -> None:
    """Without a call id, a repeat finds all of them there and raises no count."""
    common, jobs = _members(inside, NUMBERS)
    args = chunk.member_arguments(jobs, common, retention=60)

    assert [b"nnnnnn", b"dddddd"] == [
        reply[1] for reply in _twice(inside, lambda: inside.partition.enqueue(args))
    ]


def test_broadcast(inside: Inside) -> None:
    """The same reference again; only how long it is remembered counts anew."""
    reference = inside.partition.code + bucket_at(NOW.timestamp()) + "C" * 10
    names = [("0" * 32, b"payload of these")]
    bucket = reference[2:6]

    def first_call() -> tuple[str, int, bool]:
        return inside.partition.first_call(reference, 3600, names)

    assert ((reference, 0, True),) * 2 == _twice(inside, first_call, "tally")
    assert 0 < int(inside.client.hget(inside.at(f"tally:{bucket}"), "until"))


@pytest.mark.parametrize("lane", [Lane.NORMAL, Lane.BULK])
@pytest.mark.parametrize("limit", [1, 100])
def test_claim(inside: Inside, lane: Lane, limit: int) -> None:
    """The batch that was claimed under this id, an orphan too."""
    first, second = _twice(inside, lambda: inside.partition.claim("id", [lane], lease=60, limit=limit))

    assert isinstance(first[0], Batch)
    assert first == second


def test_claim_of_a_probe(inside: Inside) -> None:
    """It stays a probe, and the gate waits no longer for it."""
    inside.client.hset(inside.at("gate"), mapping={"closed": "brake:x", "until": 1, "step": 1000})

    first, second = _twice(inside, lambda: inside.partition.claim("id", LANES, lease=60))

    assert first == second
    assert first[0].probe


def test_claim_that_meets_the_expired(inside: Inside) -> None:
    """What it ended stays ended; what it took is taken once."""
    inside.expire(*inside.waiting(Lane.BULK)[:3])

    first, second = _twice(inside, lambda: inside.partition.claim("id", [Lane.BULK], lease=60)[0])

    assert first == second


@pytest.mark.parametrize("leaving", ["nobody", "given back", "cancelled", "expired", "all", "held"])
def test_mark(inside: Inside, leaving: str) -> None:
    """As many are left as before; only the lease is renewed."""
    batch = inside.batch(Lane.BULK)
    keys = keys_of(batch)
    give_back = keys[:1] if leaving == "given back" else []
    if leaving == "cancelled":
        inside.partition.cancel(keys[:1])
    if leaving in ("expired", "all"):
        inside.expire(*(keys if leaving == "all" else keys[:1]))
    if leaving == "held":
        inside.client.hset(inside.at("rolled_back"), "at", 1)

    first, second = _twice(
        inside,
        lambda: inside.partition.mark(batch.id, lease=60, earliest_expiry=0, give_back=give_back)[0],
        "leases",
    )

    size = {"nobody": len(keys), "all": 0, "held": 0}.get(leaving, len(keys) - 1)
    assert (size, size or None) == (first, second)


@pytest.mark.parametrize(
    ("fate", "endpoint", "leaving"),
    [
        *[(fate, ANSWERED, False) for fate in (ACCEPTED, REJECTED, DEAD, RETRIED, DOUBTED, GIVEN_BACK)],
        *[(DOUBTED, endpoint, True) for endpoint in (SILENT, STOPPED, UNPOSTED)],
    ],
)
def test_settle(inside: Inside, fate: Settlement, endpoint: Endpoint, leaving: bool) -> None:
    """A settled batch is gone: neither its messages nor the brake are told twice."""
    batch = inside.batch(Lane.BULK)
    if leaving:
        inside.partition.cancel(keys_of(batch)[:1])
    fates = [fate] * len(batch.jobs)

    def settle() -> int | None:
        return inside.partition.settle(batch.id, fates, endpoint, GateRules(), stop_lane=leaving)

    assert (0, None) == _twice(inside, settle)


@pytest.mark.parametrize("fate", [ACCEPTED, REJECTED])
def test_prove(inside: Inside, fate: Settlement) -> None:
    """Whatever its state, a message is proven once."""
    keys = _keys(inside)

    first, second = _twice(inside, lambda: inside.partition.prove([(key, fate) for key in keys]))

    assert first
    assert [] == second


@pytest.mark.parametrize("passed", ["leases", "doubt", "due", "kept"])
def test_sweep(inside: Inside, passed: str) -> None:
    """What time moved is moved once; the same lost batches again are left alone."""
    inside._past(passed)
    lost = inside.partition.lost()

    first, second = _twice(inside, lambda: inside.partition.sweep(SweepRules(), LANES, lost=lost))

    assert first.told or passed in ("kept", "due")
    assert [] == second.told


def test_cancel(inside: Inside) -> None:
    """The same answers, from every state."""
    keys = _keys(inside)

    first, second = _twice(inside, lambda: inside.partition.cancel(keys))

    assert set("ct") == set(first)
    assert first == second


@pytest.mark.parametrize("letter", ["X", "U"])
def test_redrive(inside: Inside, letter: str) -> None:
    """Once queued again a message is no longer dead or unknown."""
    keys = _keys(inside)

    first, second = _twice(inside, lambda: inside.partition.redrive(letter, keys, 60))

    assert 2 == len(first)
    assert [] == second


def test_expire(inside: Inside) -> None:
    """A message ends once, though its job still lies there."""
    inside.expire()

    first, second = _twice(inside, lambda: inside.partition.expire(Lane.BULK, 0))

    assert first[1]
    assert (first[0], []) == second


def test_drop(inside: Inside) -> None:
    """A bucket is folded into the counts once; one in which something waits is looked at later."""
    assert (0, 0) == _twice(inside, lambda: inside.partition.drop(60))
    for key in _keys(inside):
        inside.partition.prove([(key, ACCEPTED)])
    inside.age_buckets()

    first, second = _twice(inside, lambda: inside.partition.drop(60))

    assert first > 0
    assert 0 == second


@pytest.mark.parametrize("read", ["survey", "lost"])
def test_looking_changes_nothing(inside: Inside, read: str) -> None:
    """Neither the audit nor the sweeper's look moves anything."""
    inside.end_leases()
    before = inside.dump()

    first, second = _twice(inside, getattr(inside.partition, read))

    assert first == second
    assert before == inside.dump()
