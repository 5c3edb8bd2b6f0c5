"""The errand `receive` in whole worker processes: killed amid reports, and a STOP that races a mailing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from desk import inbound, report
from harness import Run, all_finished, events, eventually

from cmqueue import Outbox, State
from cmqueue.claim import Batch
from cmqueue.gate import Endpoint, GateRules
from cmqueue.inlet import Brought, Form, Inlet, Kind
from cmqueue.lane import Lane
from cmqueue.settings import LibrarySettings
from cmqueue.settlement import Settlement
from cmqueue.state import Reason
from demo.valkey import RunningServer
from sandbox.running import SandboxClient
from sandbox.running import running as sandbox_running

NOWHERE = "http://127.0.0.1:1/v1.0/message"
REPORTS = 20_000
CHUNK = 500


@pytest.fixture
def queue(private_valkey: RunningServer) -> Iterator[Outbox]:
    """An outbox on a server of the test's own."""
    with Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": private_valkey.url})) as outbox:
        yield outbox


@pytest.fixture
def sandbox() -> Iterator[SandboxClient]:
    with sandbox_running(seed=1) as sandbox:
        yield sandbox


def _others(count: int) -> list[str]:
    """Numbers that mean nothing to the sandbox."""
    return [f"00316000{n:05}" for n in range(10_000, 10_000 + count)]


def _put(outbox: Outbox, kind: Kind, *bodies: bytes) -> None:
    inlet = Inlet(outbox)
    for at in range(0, len(bodies), CHUNK):
        inlet.put([Brought(kind=kind, form=Form.JSON, body=body) for body in bodies[at : at + CHUNK]])


def _accepted(outbox: Outbox, numbers: list[str]) -> dict[str, str]:
    """Messages that CM accepted, from id to reference and number."""
    sale = outbox.broadcast({"sender": "Acme", "text": "Sale"}, numbers)
    partition = outbox.registry.partition("default")
    for n in range(len(numbers)):
        batch, _ = partition.claim(f"b{n}", tuple(Lane), lease=60)
        if not isinstance(batch, Batch):
            break
        partition.mark(batch.id, lease=60, earliest_expiry=0)
        fate = Settlement(State.ACCEPTED, Reason.ACCEPTED, parts=1)
        partition.settle(batch.id, [fate] * len(batch.jobs), Endpoint("answered"), GateRules())
    return {receipt.id: sale.reference for receipt in sale}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killed_amid_reports(queue: Outbox, private_valkey: RunningServer, start_worker: Run) -> None:
    """Three workers die by kill -9 with reports in hand: the fourth finds them all, and each is told of."""
    numbers = _others(REPORTS)
    ids = _accepted(queue, numbers)
    reference = next(iter(ids.values()))
    _put(queue, Kind.STATUS, *(report(reference, number, 2) for number in numbers))
    inlet = Inlet(queue)
    workers = []
    for left in (17_000, 13_000, 9_000):
        worker = start_worker(private_valkey.url, NOWHERE)
        workers.append(worker)
        eventually(lambda left=left: inlet.waiting() < left, 60, every=0.002)
        worker.kill()
    assert inlet.waiting() > 0

    workers.append(start_worker(private_valkey.url, NOWHERE))

    eventually(lambda: inlet.waiting() == 0, 120)
    assert {State.DELIVERED} == set(queue.states(list(ids)))
    audit = queue.audit(recount=True)
    assert (True, []) == (audit.balanced, audit.problems)
    told = {id for worker in workers for line in events(worker, "receipt.merged") for id in line["ids"]}
    assert set(ids) == told


@pytest.mark.slow
def test_a_stop_is_quicker_than_what_waits(
    queue: Outbox, private_valkey: RunningServer, sandbox: SandboxClient, start_worker: Run
) -> None:
    """5 messages to a number and 10,000 others wait in a held lane when it says STOP: none of them goes."""
    number, sender = "0031600999999", "3669"
    partition = queue.registry.partition("default")
    queue.scripts.client.hset(partition.prefix + "pauses", Lane.BULK.letter, "by hand")
    own = [
        queue.enqueue({"sender": sender, "to": number, "text": f"Sale {n}"}, lane="bulk").id for n in range(5)
    ]
    others = queue.broadcast({"sender": sender, "text": "Sale"}, _others(10_000))
    worker = start_worker(private_valkey.url, sandbox.endpoint)

    _put(queue, Kind.INBOUND, inbound("Stop", number="+31600999999", to=sender))
    eventually(lambda: events(worker, "optout.received"))
    assert 10_005 == sum(queue.audit().waiting.values())
    partition.resume(Lane.BULK)
    eventually(lambda: all_finished(queue), 60)

    assert [(State.SUPPRESSED, "opted_out")] * 5 == [
        (status.state, status.reason) for id in own if (status := queue.status(id))
    ]
    assert {State.ACCEPTED} == set(queue.states([receipt.id for receipt in others]))
    sent = sandbox.pairs()
    assert 10_000 == len(sent)
    assert number not in {recipient for _, recipient in sent}
    assert number[4:] not in worker.lines()
