"""Redis that went back in time: how a worker process sees it, and what is held until an operator resumes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from inside import ACCEPTED, ANSWERED, DEAD, GIVEN_BACK, LANES, Inside, key_of, keys_of

from cmqueue import Guarantee, Message, Outbox, Receipt, State
from cmqueue.claim import Batch, Claim, Empty
from cmqueue.gate import GateRules
from cmqueue.hold import Hold, holds, resume_rolled_back
from cmqueue.lane import Lane
from cmqueue.partition import Partition
from cmqueue.sweep import SweepRules
from cmqueue.watermark import Watermark

ONCE, LEAST = Guarantee.AT_MOST_ONCE, Guarantee.AT_LEAST_ONCE
Fall = tuple[int, int]


class Snapshot:
    """All of a Redis as it was; what comes later is forgotten by `restore`."""

    def __init__(self, inside: Inside) -> None:
        self._client = inside.client
        self._kept = {name: self._client.dump(name) for name in self._client.scan_iter()}

    def restore(self) -> None:
        self._client.flushdb()
        for name, packed in self._kept.items():
            self._client.restore(name, 0, packed)


def watched(inside: Inside, process: str = "p1") -> tuple[Partition, list[Fall]]:
    """The partition as a worker process has it, and the falls that it sees."""
    falls: list[Fall] = []
    partition = Partition(inside.outbox.scripts, inside.partition.code)
    partition.watermark = Watermark(process, lambda known, remembered: falls.append((known, remembered)))
    return partition, falls


def sequence(inside: Inside) -> int:
    return int(inside.client.hget(inside.at("counts"), "seq") or 0)


def enqueue(inside: Inside, *guarantees: Guarantee, lane: str = "normal", **options: Any) -> list[str]:
    """A message for each guarantee; their keys."""
    found = []
    for at, guarantee in enumerate(guarantees):
        message = Message(sender="Acme", to=f"+316000000{at:02}", text="Hi")
        receipt = inside.outbox.enqueue(message, lane=lane, guarantee=guarantee, **options)
        assert isinstance(receipt, Receipt)
        found.append(key_of(receipt.id))
    return found


def claim(partition: Partition, id: str = "x", **options: Any) -> Claim:
    return partition.claim(id, LANES, lease=60, **options)[0]


def roll_back(inside: Inside) -> Partition:
    """Redis has lost a delivery that one process knows of, and that process has seen it."""
    partition, falls = watched(inside, "the first")
    enqueue(inside, LEAST, lane="urgent")
    partition.sweep(SweepRules(), LANES)
    before = Snapshot(inside)
    batch = claim(partition, "lost")
    assert isinstance(batch, Batch)
    partition.settle(batch.id, [ACCEPTED] * len(batch.jobs), ANSWERED, GateRules())
    before.restore()
    partition.sweep(SweepRules(), LANES)
    assert falls
    return partition


# --- seeing it ---------------------------------------------------------------------------------------


CHANGES: dict[str, Callable[[Inside], object]] = {
    "enqueue": lambda inside: enqueue(inside, ONCE),
    "claim": lambda inside: inside.batch(),
    "mark": lambda inside: inside.mark(inside.batch()),
    "give back": lambda inside: inside.settle(inside.batch(), GIVEN_BACK),
    "settle": lambda inside: inside.deliver(),
    "cancel": lambda inside: inside.partition.cancel(inside.waiting(Lane.NORMAL)[:1]),
    "expire": lambda inside: (inside.expire(), inside.partition.expire(Lane.NORMAL, 0)),
    "reclaim": lambda inside: (inside.batch(), inside.end_leases(), inside.sweep()),
    "redrive": lambda inside: inside.partition.redrive("X", keys_of(inside.deliver(fate=DEAD)), 60),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_raises_the_sequence(inside: Inside, change: str) -> None:
    """What hands out work too: losing a claim loses the knowledge of a POST."""
    enqueue(inside, ONCE, ONCE)
    steps = {"mark": 2, "give back": 2, "settle": 3, "reclaim": 2, "redrive": 4}
    before = sequence(inside)

    CHANGES[change](inside)

    assert before + steps.get(change, 1) == sequence(inside)


CALLS: dict[str, Callable[[Partition], object]] = {
    "claim": claim,
    "mark": lambda partition: partition.mark("none", lease=60, earliest_expiry=0),
    "settle": lambda partition: partition.settle("none", [], ANSWERED, GateRules()),
    "sweep": lambda partition: partition.sweep(SweepRules(), LANES),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("others", [0, 9], ids=["alone", "overtaken"])
def test_a_rollback_is_seen_by_the_next_call(inside: Inside, call: str, others: int) -> None:
    """Whichever it is, and though others have enqueued so much that the sequence is higher than ever."""
    partition, falls = watched(inside)
    enqueue(inside, ONCE)
    claim(partition)
    before, remembered = Snapshot(inside), sequence(inside)
    enqueue(inside, ONCE, ONCE)
    partition.sweep(SweepRules(), LANES)
    known = sequence(inside)
    before.restore()
    enqueue(inside, *[ONCE] * others)

    CALLS[call](partition)

    assert [(known, remembered)] == falls
    assert [("default", None, "rolled_back")] == [
        (hold.account, hold.lane, hold.why.partition(":")[0]) for hold in holds(inside.outbox)
    ]
    assert sequence(inside) > known
    for other in CALLS.values():
        other(partition)
    assert 1 == len(falls)


def test_a_lost_reply_hides_no_rollback(inside: Inside) -> None:
    """The same call again says the same, also when the first one has put the hold on; it is told of once."""
    partition, falls = watched(inside)
    enqueue(inside, ONCE)
    CALLS["sweep"](partition)
    before = Snapshot(inside)
    enqueue(inside, ONCE)
    CALLS["sweep"](partition)
    known = sequence(inside)
    before.restore()

    partition._run("mark", "none", 60_000, 0, "p1", known)  # its reply is lost
    for _ in range(2):
        CALLS["mark"](partition)

    assert [(known, known - 1)] == falls


def test_an_emptied_redis_is_one_that_went_back(inside: Inside) -> None:
    """To nothing."""
    partition, falls = watched(inside)
    enqueue(inside, ONCE)
    claim(partition)
    known = sequence(inside)
    inside.client.flushdb()
    inside.outbox.registry._partitions.clear()

    partition.sweep(SweepRules(), LANES)

    assert [(known, 0)] == falls


def test_each_process_sees_it_once(inside: Inside) -> None:
    """A process that was not told of what is lost sees nothing; nor does one that starts afterwards."""
    partitions = {name: watched(inside, name) for name in ("told", "told too", "before", "after")}
    enqueue(inside, ONCE)
    for name in ("told", "told too", "before"):
        CALLS["sweep"](partitions[name][0])
    before = Snapshot(inside)
    enqueue(inside, ONCE)
    for name in ("told", "told too"):
        CALLS["sweep"](partitions[name][0])
    before.restore()

    for _ in range(2):
        for partition, _falls in partitions.values():
            CALLS["sweep"](partition)

    assert {"told": 1, "told too": 1, "before": 0, "after": 0} == {
        name: len(falls) for name, (_, falls) in partitions.items()
    }


@pytest.mark.parametrize("call", CALLS)
def test_a_process_that_began_in_the_lost_time_sees_it_too(inside: Inside, call: str) -> None:
    """Redis knows nothing of it, and others have enqueued so much that the sequence is higher than ever."""
    enqueue(inside, ONCE)
    before, remembered = Snapshot(inside), sequence(inside)
    partition, falls = watched(inside)
    claim(partition)
    known = sequence(inside)
    before.restore()
    enqueue(inside, *[ONCE] * 9)

    for _ in range(2):
        CALLS[call](partition)

    assert known > remembered
    assert [(known, known - 1)] == falls
    assert ["rolled_back"] == [hold.why.partition(":")[0] for hold in holds(inside.outbox)]


def test_a_process_that_stands_idle_for_weeks_sees_no_rollback(inside: Inside) -> None:
    """What it was told is kept for a week, and renewed by its sweeps when half of that has passed."""
    partition, falls = watched(inside)
    enqueue(inside, ONCE, send_at=datetime.now(UTC) + timedelta(days=60))
    CALLS["sweep"](partition)
    day = 24 * 3600 * 1000
    before = sequence(inside)

    for left in (6, 4, 3):
        inside.client.pexpire(inside.at("told:p1"), left * day)
        CALLS["sweep"](partition)
        renewed = inside.client.pttl(inside.at("told:p1"))
        assert (6.9 if left == 3 else left - 0.1) * day < renewed <= (7 if left == 3 else left) * day

    assert ([], before) == (falls, sequence(inside))


def test_looking_at_nothing_writes_nothing(inside: Inside) -> None:
    """A sweep each second adds nothing to the append-only file while nothing changes."""
    partition, _ = watched(inside)
    enqueue(inside, ONCE, send_at=datetime.now(UTC) + timedelta(days=1))
    for _ in range(2):
        CALLS["sweep"](partition)
    before = inside.dump(), sequence(inside)
    dirty = inside.client.info("persistence")["rdb_changes_since_last_save"]

    CALLS["claim"](partition)

    assert before == (inside.dump(), sequence(inside))
    assert dirty == inside.client.info("persistence")["rdb_changes_since_last_save"]


def test_replies_that_end_out_of_order_are_no_rollback(inside: Inside) -> None:
    """Many threads of a process at once, with claims, marks, settlements and sweeps."""
    partition, falls = watched(inside)
    enqueue(inside, *[ONCE] * 40)

    def work(thread: int) -> None:
        for turn in range(30):
            found = claim(partition, f"{thread}.{turn}", limit=1)
            if isinstance(found, Batch):
                partition.mark(found.id, lease=60, earliest_expiry=0)
                partition.settle(found.id, [GIVEN_BACK], ANSWERED, GateRules())
            CALLS["sweep"](partition)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))

    assert [] == falls
    inside.check()


# --- what is held ------------------------------------------------------------------------------------


def test_what_is_sent_at_most_once_is_set_aside(inside: Inside) -> None:
    """A claim gives the others, and the books count what is set aside as queued."""
    partition = roll_back(inside)
    once_1, least, once_2 = enqueue(inside, ONCE, LEAST, ONCE)

    urgent, normal = claim(partition, "1"), claim(partition, "2")

    assert isinstance(urgent, Batch)
    assert isinstance(normal, Batch)
    assert [least] == keys_of(normal)
    assert Empty() == claim(partition, "3")
    assert [once_1, once_2] == [job.bucket + job.tail for place, job in inside.places() if place == "aside:n"]
    assert {State.QUEUED} == {inside.state(key) for key in (once_1, once_2)}
    inside.check()


def test_a_batch_that_nobody_settled_is_sifted_too(inside: Inside) -> None:
    """An orphan comes back with what it held when it was lost: it may have been posted since."""
    once, least = enqueue(inside, ONCE, LEAST)
    inside.batch()
    inside.end_leases()
    inside.sweep()
    partition = roll_back(inside)

    found = [keys_of(batch) for id in "12" if isinstance(batch := claim(partition, id), Batch)]

    assert [least] in found
    assert not any(once in keys for keys in found)
    inside.check()


def test_what_its_first_holder_had_lost_is_not_marked(inside: Inside) -> None:
    """A claimed, stalled, and B sent it: in a Redis that says again that it is A's, A may not send it too."""
    (late, _), (quick, falls) = watched(inside, "late"), watched(inside, "quick")
    once, least = enqueue(inside, ONCE, LEAST)
    assert isinstance(claim(late, "A"), Batch)
    quick.sweep(SweepRules(), LANES)
    before = Snapshot(inside)
    inside.end_leases("A")
    inside.sweep()
    sent = claim(quick, "B")
    assert isinstance(sent, Batch)
    assert [once, least] == keys_of(sent)
    quick.mark("B", lease=60, earliest_expiry=0)
    quick.settle("B", [ACCEPTED] * 2, ANSWERED, GateRules())
    before.restore()
    quick.sweep(SweepRules(), LANES)
    assert falls

    for _ in range(2):
        assert (1, []) == late.mark("A", lease=60, earliest_expiry=2**31)[:2]

    assert {"aside:n": once, "batch:A": least} == {
        place: job.bucket + job.tail for place, job in inside.places()
    }
    assert State.QUEUED is inside.state(once)
    inside.check()


def test_what_was_being_posted_stays_in_its_batch(inside: Inside) -> None:
    """Its holder alone can have sent it, and may be doing so: a mark that is repeated late takes none."""
    enqueue(inside, ONCE)
    batch = inside.batch()
    inside.mark(batch)
    inside.client.hset(inside.at("rolled_back"), "at", 1)

    assert 1 == inside.mark(batch)

    assert 0 == inside.settle(batch, ACCEPTED)
    inside.check()


@pytest.mark.parametrize("count", [1, 3, 2500])
def test_resuming_puts_it_back_in_front_in_its_order(inside: Inside, count: int) -> None:
    """In as many passes as it takes; the hold does not come back by itself."""
    partition = roll_back(inside)
    messages = [Message(sender="Acme", to=f"+3160000{n:04}", text="Hi") for n in range(count)]
    keys = [key_of(result.id) for result in inside.outbox.enqueue_many(messages, lane="bulk")]  # type: ignore[union-attr]
    inside.deliver(Lane.URGENT)
    while claim(partition, "none") != Empty():
        pass
    later = enqueue(inside, ONCE, lane="bulk")

    assert resume_rolled_back(inside.outbox, "default")

    while partition.sweep(SweepRules(), LANES).more:
        pass
    assert [*keys, *later] == inside.waiting(Lane.BULK)
    assert [] == holds(inside.outbox)
    assert isinstance(claim(partition, "again", limit=1), Batch)
    inside.check()


def test_resuming_what_is_not_held(inside: Inside) -> None:
    """Nothing is wrong; an account without a partition is not found."""
    assert resume_rolled_back(inside.outbox, "default") is False
    assert resume_rolled_back(inside.outbox, "shop") is None


def test_a_resume_wakes_the_lane(inside: Inside) -> None:
    """The sweep that puts it back finds the backlog."""
    partition = roll_back(inside)
    inside.deliver(Lane.URGENT)
    enqueue(inside, ONCE)
    assert Empty() == claim(partition)
    inside.client.delete(inside.at("wake:n"))
    assert [] == partition.sweep(SweepRules(), LANES).wake

    resume_rolled_back(inside.outbox, "default")

    assert [Lane.NORMAL] == partition.sweep(SweepRules(), LANES).wake


def test_what_is_set_aside_can_be_cancelled_and_expires(inside: Inside) -> None:
    """Whoever finds that CM has it takes it out; and nothing is sent late because it was held."""
    partition = roll_back(inside)
    inside.deliver(Lane.URGENT)
    cancelled, expired, stays = enqueue(inside, ONCE, ONCE, ONCE)
    assert Empty() == claim(partition)
    inside.expire(expired)

    assert "c" == partition.cancel([cancelled])
    assert (0, [expired]) == partition.expire(Lane.NORMAL, 0)
    inside.check()

    resume_rolled_back(inside.outbox, "default")
    partition.sweep(SweepRules(), LANES)
    assert [stays] == keys_of(inside.batch())
    inside.check()


def test_it_is_explained(inside: Inside, each_outbox: Outbox) -> None:
    """To whoever asks for a message that is held; not for one that goes on."""
    roll_back(inside)
    once, least = enqueue(inside, ONCE, LEAST)

    said = {key: each_outbox.explain(inside.partition.code + key) or "" for key in (once, least)}

    assert "held: Redis went back in time" in said[once]
    assert "held" not in said[least]


def test_how_much_is_set_aside_is_told(inside: Inside) -> None:
    """With when the rollback was seen."""
    partition = roll_back(inside)
    inside.deliver(Lane.URGENT)
    enqueue(inside, ONCE, ONCE)
    assert Empty() == claim(partition)

    (hold,) = holds(inside.outbox)

    assert Hold("default", inside.partition.code, None, hold.why) == hold
    assert hold.why.startswith("rolled_back:20")
    assert hold.why.endswith("Z, 2 set aside")
