"""A request that CM refuses as a whole: whoever is at fault is found, and nobody else pays for it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from math import ceil, log2

import pytest
from harness import Run, WorkerProcess, all_finished, events, eventually, finished

from cmqueue import Message, Outbox, Receipt, State
from cmqueue.graveyard import graves
from cmqueue.lane import Lane
from sandbox.running import SandboxClient

#: Numbers with which the sandbox refuses any request that they are part of.
MALFORMED, BAD_ARRAY, TOO_LARGE = "0031600009202", "0031600009203", "0031600008413"
CODES = {MALFORMED: 202, BAD_ARRAY: 203, TOO_LARGE: 413}


def send(outbox: Outbox, size: int, culprits: dict[int, str], lane: str = "bulk") -> list[Receipt]:
    """So many messages, each with a text of its own, in one call; at the places `culprits` these numbers."""
    messages = (
        Message(sender="Acme", to=culprits.get(at, f"003160{at:07}"), text=f"number {at} of this batch")
        for at in range(size)
    )
    receipts = [
        receipt for receipt in outbox.enqueue_many(messages, lane=lane) if isinstance(receipt, Receipt)
    ]
    assert size == len(receipts)
    return receipts


def anywhere(size: int, kinds: Iterable[str]) -> dict[int, str]:
    """These numbers at places drawn with a fixed seed."""
    kinds = list(kinds)
    return dict(zip(random.Random(size).sample(range(size), len(kinds)), kinds, strict=True))


def bound(size: int, culprits: int) -> int:
    return 2 * culprits * ceil(log2(size)) + 1


def stopped(outbox: Outbox, lane: Lane = Lane.BULK) -> str:
    """Why the lane is stopped, else nothing."""
    partition = outbox.registry.partition("default")
    why: bytes | None = outbox.scripts.client.hget(partition.prefix + "pauses", lane.letter)
    return (why or b"").decode()


def idle(outbox: Outbox) -> bool:
    """Whether no worker holds a batch."""
    waiting = outbox.audit().waiting
    return waiting[State.CLAIMED] + waiting[State.POSTING] == 0


def resume(outbox: Outbox) -> None:
    assert outbox.registry.partition("default").resume(Lane.BULK)


@pytest.mark.parametrize(
    ("size", "kinds"),
    [
        (2, [TOO_LARGE]),
        (7, [MALFORMED, BAD_ARRAY]),
        (300, [MALFORMED]),
        (1000, [MALFORMED, BAD_ARRAY, TOO_LARGE, MALFORMED, BAD_ARRAY, TOO_LARGE, MALFORMED, BAD_ARRAY]),
    ],
    ids=lambda value: str(value if isinstance(value, int) else len(value)),
)
def test_culprits_are_found_and_the_rest_is_sent_once(
    outbox: Outbox, sandbox: SandboxClient, run: Run, size: int, kinds: list[str]
) -> None:
    """k culprits are dead with CM's code and text, the rest accepted once, in 2·k·⌈log2 n⌉ + 1 requests."""
    culprits = anywhere(size, kinds)
    receipts = send(outbox, size, culprits)
    worker = run()
    eventually(lambda: all_finished(outbox), 40)

    counts = sandbox.counts()
    assert counts["requests"] <= bound(size, len(kinds))
    innocent = {receipt.reference for at, receipt in enumerate(receipts) if at not in culprits}
    assert dict.fromkeys(innocent, 1) == {
        reference: times for (reference, _), times in sandbox.pairs().items()
    }
    audit = outbox.audit()
    assert {State.ACCEPTED: size - len(kinds), State.DEAD: len(kinds)} == +audit.finished
    assert audit.balanced, audit.problems
    dead = {grave.id: (grave.reason, grave.code, grave.attempts) for grave in graves(outbox)}
    assert {receipts[at].id: ("poison", CODES[number], 1) for at, number in culprits.items()} == dead
    said = {202: "The request is malformed", 203: "The msg array is incorrect", 413: "request too large"}
    assert all(said[grave.code] == grave.note for grave in graves(outbox))
    first = next(receipt for at, receipt in enumerate(receipts) if at not in culprits)
    assert 1 == getattr(outbox.status(first.id), "attempts", None)
    assert events(worker, "batch.halved")
    assert not events(worker, "lane.stopped")


def test_a_refusal_that_was_no_message_s_fault(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """What is too large only together goes in halves, and nobody is dead."""
    send(outbox, 100, {})
    sandbox.faults({"kind": "status", "status": 413, "count": 1})
    run()
    eventually(lambda: all_finished(outbox))

    assert {State.ACCEPTED: 100} == +outbox.audit().finished
    assert (3, 100, 0) == tuple(sandbox.counts()[name] for name in ("requests", "unique", "duplicates"))


def test_the_ninth_culprit_of_a_batch_stops_its_lane(
    outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """Nine are dead, the others are accepted or stay queued, in their order; resumed, they go."""
    size = 200
    culprits = dict.fromkeys(range(10, 200, 19), MALFORMED)
    receipts = send(outbox, size, culprits)
    worker = run()
    eventually(lambda: stopped(outbox) and idle(outbox))

    assert "stopped:202" == stopped(outbox)
    assert [(9, 1)] == [(line["culprits"], line["batches"]) for line in events(worker, "lane.stopped")]
    assert 9 == len(list(graves(outbox)))
    ninth = sorted(culprits)[8]
    states = [getattr(outbox.status(receipt.id), "state", None) for receipt in receipts]
    assert [State.DEAD if at in culprits else State.ACCEPTED for at in range(ninth + 1)] == states[
        : ninth + 1
    ]
    rest = states[ninth + 1 :]
    assert [State.QUEUED] * len(rest) == rest
    partition = outbox.registry.partition("default")
    ready = outbox.scripts.client.lrange(f"{partition.prefix}ready:b", 0, -1)
    assert [receipt.id for receipt in receipts[ninth + 1 :]] == [
        partition.code + job[13:37].decode() for job in ready
    ]
    assert sandbox.counts()["requests"] <= bound(size, 9)

    resume(outbox)
    eventually(lambda: all_finished(outbox))
    assert {State.ACCEPTED: size - len(culprits), State.DEAD: len(culprits)} == +outbox.audit().finished
    assert 0 == sandbox.counts()["duplicates"]


def test_when_everything_is_refused_few_messages_die(
    outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """An endpoint that refuses every request costs nine messages, not the lane; other lanes go on."""
    send(outbox, 1000, {})
    sandbox.faults({"kind": "status", "status": 413})
    run()
    eventually(lambda: stopped(outbox) and idle(outbox))

    assert (991, 9) == (outbox.audit().waiting[State.QUEUED], outbox.audit().finished[State.DEAD])
    assert sandbox.counts()["requests"] <= bound(1000, 9)
    sandbox.clear()
    (other,) = send(outbox, 1, {}, lane="urgent")
    assert State.ACCEPTED is eventually(lambda: finished(outbox, other.id))


def deliver(outbox: Outbox, culprit: bool) -> None:
    """One batch of ten through the worker, to its end."""
    send(outbox, 10, {4: BAD_ARRAY} if culprit else {})
    eventually(lambda: (all_finished(outbox) or stopped(outbox)) and idle(outbox))


def test_three_poisoned_batches_in_a_row_stop_their_lane(
    outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """The third one's first culprit does; what comes after it in the batch stays queued."""
    worker = run()
    for _ in range(3):
        assert not stopped(outbox)
        deliver(outbox, culprit=True)

    assert "stopped:203" == stopped(outbox)
    assert [(1, 3)] == [(line["culprits"], line["batches"]) for line in events(worker, "lane.stopped")]
    assert (3, 5) == (len(list(graves(outbox))), outbox.audit().waiting[State.QUEUED])
    resume(outbox)
    eventually(lambda: all_finished(outbox))
    deliver(outbox, culprit=True)
    assert not stopped(outbox)  # resumed, it counts from the start


def test_a_clean_batch_in_between_ends_the_count(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """Poison now and then stops nothing."""
    run()
    for culprit in (True, True, False, True, True):
        deliver(outbox, culprit)

    assert not stopped(outbox)
    assert 4 == len(list(graves(outbox)))


def test_a_worker_that_dies_between_the_halves(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """kill -9 after the split: nothing of either half was taken, so another worker sends both."""
    send(outbox, 40, {7: MALFORMED})
    worker = run(CMQUEUE_FAILPOINTS="1", CMQUEUE_FAILPOINT="after_split=crash")
    eventually(lambda: worker.process.poll() is not None)
    run()
    eventually(lambda: all_finished(outbox), 40)

    assert {State.ACCEPTED: 39, State.DEAD: 1} == +outbox.audit().finished
    assert (39, 0) == (sandbox.counts()["unique"], sandbox.counts()["duplicates"])


def test_a_silent_endpoint_ends_the_search(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """What was not yet posted goes back at once, unburnt, instead of into doubt."""
    send(outbox, 64, {0: MALFORMED})
    sandbox.faults(
        {"kind": "status", "status": 413, "count": 1},
        {"kind": "status", "status": 502, "count": 1},
    )
    worker = run()
    eventually(lambda: all_finished(outbox))

    assert {State.UNKNOWN: 32, State.ACCEPTED: 32} == +outbox.audit().finished
    assert ["the endpoint was silent"] == [line["why"] for line in events(worker, "batch.unposted")]
    assert 0 == sandbox.counts()["duplicates"]


def test_told_to_stop_a_worker_gives_the_parts_back(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """SIGTERM in the middle of a search: the answer in flight is recorded, the rest is queued at once."""
    send(outbox, 64, {63: MALFORMED})
    sandbox.faults({"kind": "slow", "ms": 1200, "numbers": ["0031600000000"], "count": 9})
    worker = run()
    eventually(lambda: sandbox.counts()["requests"] >= 2)
    assert 0 == worker.terminate()

    waiting = outbox.audit().waiting
    assert ({State.QUEUED: 32}, {State.ACCEPTED: 32}) == (+waiting, +outbox.audit().finished)
    run()
    eventually(lambda: all_finished(outbox))
    assert {State.ACCEPTED: 63, State.DEAD: 1} == +outbox.audit().finished
    assert 0 == sandbox.counts()["duplicates"]


def test_no_number_reaches_log_or_note(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """The whole search tells of ids, codes and sizes only."""
    send(outbox, 20, {3: MALFORMED, 11: TOO_LARGE})
    worker: WorkerProcess = run("-l", "debug", CMQUEUE_LOG_LEVEL="debug")
    eventually(lambda: all_finished(outbox))

    notes = json.dumps([grave.as_json() for grave in graves(outbox)])
    for secret in ("600009202", "600008413", "of this batch"):
        assert secret not in worker.lines() + notes
