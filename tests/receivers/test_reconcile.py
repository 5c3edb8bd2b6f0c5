"""Reconciliation with the sandbox's Transactions API: real HTTP, real Redis."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from harness import TOKEN, eventually
from structlog.testing import capture_logs

from cmqueue import Content, Message, Outbox, State
from cmqueue.claim import Batch
from cmqueue.lane import Lane
from cmqueue.partition import Endpoint, GateRules
from cmqueue.settlement import Settlement
from cmqueue.state import Reason
from cmqueue.suppression import Suppressions
from cmqueue.sweep import SweepRules
from config.errands import ErrandSettings
from receivers.processing.receive import build as receive_of
from receivers.reconcile.reconcile import Reconcile, build
from sandbox.running import SandboxClient, running

FIRST, SECOND = "0031600000001", "0031600000002"
ANSWERED_ONLY = {"delay": "fixed:600000"}  # no message gets further than accepted


@pytest.fixture(scope="module")
def one_sandbox() -> Iterator[SandboxClient]:
    with running(seed=1, transactions=0) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(one_sandbox: SandboxClient) -> SandboxClient:
    one_sandbox.reset()
    one_sandbox.webhooks(**ANSWERED_ONLY)
    return one_sandbox


@pytest.fixture
def errand(outbox: Outbox, sandbox: SandboxClient) -> Reconcile:
    return made(outbox, sandbox.transactions)


def made(outbox: Outbox, url: str, **more: str) -> Reconcile:
    settings = {
        "CMQUEUE_REDIS_URL": outbox.settings.redis_url,
        "CMQUEUE_PRODUCT_TOKEN": TOKEN,
        "CMQUEUE_TRANSACTIONS_URL": url,
        "CMQUEUE_TRANSACTIONS_PER_SECOND": "50",
    }
    found = build(ErrandSettings.from_env(settings | more), outbox)
    assert found is not None
    return found


def doubted(outbox: Outbox, window: float = 0.0) -> list[str]:
    """Doubt about all that is queued, of `window` seconds; 0 ends with the next sweep. Its ids."""
    partition = outbox.registry.partition("default")
    claim, _ = partition.claim("batch", list(Lane), lease=60)
    assert isinstance(claim, Batch)
    partition.mark("batch", lease=60, earliest_expiry=2**32 - 1)
    doubt = Settlement(State.AMBIGUOUS, Reason.READ_TIMEOUT, delay_ms=round(window * 1000))
    partition.settle("batch", [doubt] * len(claim.jobs), Endpoint("silent"), GateRules())
    return [partition.code + job[13:37].decode() for job in claim.jobs]


def sent(sandbox: SandboxClient, reference: str, *numbers: str) -> None:
    """CM takes a message, whatever we know of it."""
    body = {"type": "auto", "content": "Hi"}
    message = {
        "from": "Acme",
        "to": [{"number": number} for number in numbers],
        "body": body,
        "reference": reference,
    }
    request = Request(
        sandbox.endpoint,
        data=json.dumps({"messages": {"msg": [message]}}).encode(),
        headers={"X-CM-PRODUCTTOKEN": TOKEN, "Content-Type": "application/json"},
    )
    with build_opener(ProxyHandler({})).open(request, timeout=5) as answer:
        assert 200 == answer.status


def runs(errand: Reconcile) -> list[Any]:
    """One run; what it told."""
    with capture_logs() as logs:
        errand.run(threading.Event())
    return list(logs)


def asked(logs: Sequence[Any]) -> list[Any]:
    return [line for line in logs if line["event"] == "transactions.asked"]


def state(outbox: Outbox, id: str) -> tuple[State, str | None]:
    status = outbox.status(id)
    assert status is not None
    return status.state, status.reason


@pytest.mark.parametrize(
    ("course", "settled"),
    [("none", State.ACCEPTED), ("delivered", State.DELIVERED), ("failed:24", State.ACCEPTED)],
)
def test_a_yes_settles_a_doubt(
    outbox: Outbox, sandbox: SandboxClient, errand: Reconcile, course: str, settled: State
) -> None:
    """What CM shows of the message is what becomes of it, with a reason of its own."""
    sandbox.webhooks(mix={course: 1}, delay="fixed:0", status_url=None)
    receipt = outbox.enqueue(Message(sender="Acme", to=FIRST, text="Hi"))
    doubted(outbox)
    sent(sandbox, receipt.reference, FIRST)

    assert errand.waiting()
    logs = runs(errand)
    assert (settled, "transaction") == state(outbox, receipt.id)
    assert ["transactions.asked", "message.reconciled"] == [line["event"] for line in logs]
    assert FIRST[2:] not in repr(logs)


def test_a_failure_goes_the_way_of_all_reports(
    outbox: Outbox, sandbox: SandboxClient, errand: Reconcile
) -> None:
    """CM took the message; what follows from its failure is decided where status reports are read."""
    sandbox.webhooks(mix={"failed:23": 1}, delay="fixed:0")
    receipt = outbox.enqueue(Message(sender="Acme", to=FIRST, text="Hi"))
    doubted(outbox)
    sent(sandbox, receipt.reference, FIRST)
    runs(errand)
    receive = receive_of(ErrandSettings.from_env({}), outbox)
    assert receive is not None
    assert receive.waiting()
    receive.run(threading.Event())

    status = outbox.status(receipt.id)
    assert status is not None
    assert (State.FAILED, 23) == (status.state, status.code)
    assert 1 == len(list(Suppressions(outbox).entries()))


def test_nothing_found_proves_nothing(outbox: Outbox, errand: Reconcile) -> None:
    """The message stays in doubt, until its window ends."""
    receipt = outbox.enqueue(Message(sender="Acme", to=FIRST, text="Hi"))
    doubted(outbox)

    assert [0] == [line["found"] for line in asked(runs(errand))]
    assert (State.AMBIGUOUS, "read_timeout") == state(outbox, receipt.id)


def test_a_reference_is_asked_about_once_for_all_its_messages(
    outbox: Outbox, sandbox: SandboxClient, errand: Reconcile
) -> None:
    """A broadcast's are settled by one request, each by its own row, and the others are left alone."""
    broadcast = outbox.broadcast(Content(sender="Acme", text="Sale"), [FIRST, SECOND, "0031600000003"])
    doubted(outbox)
    sent(sandbox, broadcast.reference, FIRST, SECOND)

    assert [(3, 2)] == [(line["messages"], line["found"]) for line in asked(runs(errand))]
    states = [state(outbox, receipt.id)[0] for receipt in broadcast]
    assert [State.ACCEPTED, State.ACCEPTED, State.AMBIGUOUS] == states


def test_several_pages_are_read(outbox: Outbox, sandbox: SandboxClient, errand: Reconcile) -> None:
    """More recipients than a page has rows: the last one is found too."""
    numbers = [f"003160000{number:04}" for number in range(1, 1002)]
    broadcast = outbox.broadcast(Content(sender="Acme", text="Sale"), numbers)
    doubted(outbox)
    sent(sandbox, broadcast.reference, *numbers[:500])
    sent(sandbox, broadcast.reference, *numbers[500:])

    assert [(2, 1001)] == [(line["pages"], line["found"]) for line in asked(runs(errand))]
    assert 1000 == outbox.audit().finished[State.ACCEPTED]


def test_no_process_asks_what_another_asked(outbox: Outbox, sandbox: SandboxClient) -> None:
    """Nor does the same one, at its next look."""
    outbox.enqueue(Message(sender="Acme", to=FIRST, text="Hi"))
    doubted(outbox)
    one, other = made(outbox, sandbox.transactions), made(outbox, sandbox.transactions)

    assert [1, 0, 0] == [len(asked(runs(errand))) for errand in (one, other, one)]


def test_it_is_asked_again_before_its_window_ends(
    outbox: Outbox, sandbox: SandboxClient, errand: Reconcile
) -> None:
    """CM may show late what it took."""
    receipt = outbox.enqueue(Message(sender="Acme", to=FIRST, text="Hi"))
    doubted(outbox, window=4)
    eventually(lambda: asked(runs(errand)))
    sent(sandbox, receipt.reference, FIRST)

    eventually(lambda: asked(runs(errand)))
    assert (State.ACCEPTED, "transaction") == state(outbox, receipt.id)


def test_a_late_yes_corrects_an_unknown_message(
    outbox: Outbox, sandbox: SandboxClient, errand: Reconcile
) -> None:
    """Some minutes after it was given up it is asked about once more."""
    receipt = outbox.enqueue(Message(sender="Acme", to=FIRST, text="Hi"))
    doubted(outbox)
    partition = outbox.registry.partition("default")
    partition.sweep(SweepRules(), list(Lane))
    assert (State.UNKNOWN, "window_ended") == state(outbox, receipt.id)
    sent(sandbox, receipt.reference, FIRST)
    assert [] == asked(runs(errand))

    _aged(outbox, receipt.id, 301)
    runs(made(outbox, sandbox.transactions))
    assert (State.ACCEPTED, "transaction") == state(outbox, receipt.id)


def _aged(outbox: Outbox, id: str, seconds: int) -> None:
    """Let the last step of a message have been so long ago."""
    client, prefix = outbox.scripts.client, outbox.registry.partition("default").prefix
    row = bytearray(client.hget(f"{prefix}rows:{id[2:6]}", id[6:]))
    end = 12 + 8 * row[7]
    row[end - 4 : end] = (int.from_bytes(row[end - 4 : end], "big") - seconds).to_bytes(4, "big")
    client.hset(f"{prefix}rows:{id[2:6]}", id[6:], bytes(row))


def test_a_dead_message_is_not_asked_about(outbox: Outbox, errand: Reconcile) -> None:
    """It was certainly not sent, though it lies beside the unknown ones."""
    outbox.enqueue(Message(sender="Acme", to=FIRST, text="Hi"))
    partition = outbox.registry.partition("default")
    partition.claim("batch", list(Lane), lease=60)
    partition.mark("batch", lease=60, earliest_expiry=2**32 - 1)
    partition.settle(
        "batch", [Settlement(State.DEAD, Reason.ATTEMPTS_EXHAUSTED)], Endpoint("answered"), GateRules()
    )

    assert [] == asked(runs(errand))


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429, "retry_after": 30},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 302},
        {"kind": "drop_before"},
        {"kind": "partial_answer"},
        {"kind": "not_json"},
        {"kind": "hang"},
        {"kind": "drip", "ms": 100},
    ],
    ids=lambda fault: " ".join(map(str, fault.values())),
)
def test_a_failure_is_waited_out_and_asked_again(
    outbox: Outbox, sandbox: SandboxClient, fault: dict[str, Any]
) -> None:
    """No process asks for that account meanwhile; afterwards the same question is asked, and settles it."""
    receipt = outbox.enqueue(Message(sender="Acme", to=FIRST, text="Hi"))
    doubted(outbox)
    sent(sandbox, receipt.reference, FIRST)
    sandbox.faults(fault | {"count": 1, "at": "transactions"})
    errand, other = made(outbox, sandbox.transactions), made(outbox, sandbox.transactions)
    errand._client._answer_seconds = 0.5

    (failed,) = runs(errand)
    assert ("transactions.failed", 30 if fault.get("retry_after") else 5) == (
        failed["event"],
        failed["wait_seconds"],
    )
    assert [] == runs(other)
    outbox.scripts.client.delete("cmq:transactions:default")  # the wait is over

    runs(other)
    assert (State.ACCEPTED, "transaction") == state(outbox, receipt.id)


def test_an_account_asks_no_faster_than_it_may(outbox: Outbox, sandbox: SandboxClient) -> None:
    """All processes together: 8 questions at 4 a second take a second and three quarters."""
    for number in range(8):
        outbox.enqueue(Message(sender="Acme", to=f"003160000000{number}", text="Hi"))
    doubted(outbox)
    errands = [made(outbox, sandbox.transactions, CMQUEUE_TRANSACTIONS_PER_SECOND="4") for _ in range(2)]
    began = _now(outbox)
    with capture_logs() as logs:
        while len(asked(logs)) < 8:
            threads = [threading.Thread(target=each.run, args=(threading.Event(),)) for each in errands]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    assert 8 == len(asked(logs))
    assert _now(outbox) - began >= 7 / 4


def _now(outbox: Outbox) -> float:
    seconds, micros = outbox.scripts.client.time()
    return float(seconds) + float(micros) / 1e6


def test_it_looks_once_a_second_while_anything_is_in_doubt(outbox: Outbox, errand: Reconcile) -> None:
    """However many processes there are; and not at all while nothing is."""
    assert not errand.waiting()
    outbox.enqueue(Message(sender="Acme", to=FIRST, text="Hi"))
    doubted(outbox, window=60)
    assert errand.waiting()
    errand.run(threading.Event())

    assert not errand.waiting()
    eventually(errand.waiting, 3)


def test_what_is_unknown_is_looked_at_now_and_then(outbox: Outbox, errand: Reconcile) -> None:
    """It has hours. A new doubt is looked at within a second all the same."""
    outbox.enqueue(Message(sender="Acme", to=FIRST, text="Hi"))
    doubted(outbox)
    outbox.registry.partition("default").sweep(SweepRules(), list(Lane))
    assert errand.waiting()
    errand.run(threading.Event())
    outbox.scripts.client.delete("cmq:reconcile:looked")  # the second is over
    assert not errand.waiting()

    outbox.enqueue(Message(sender="Acme", to=SECOND, text="Hi"))
    doubted(outbox, window=60)
    assert errand.waiting()


def test_a_process_that_stops_asks_no_more(outbox: Outbox, sandbox: SandboxClient) -> None:
    """What it did not ask is asked by the next."""
    outbox.enqueue(Message(sender="Acme", to=FIRST, text="Hi"))
    doubted(outbox)
    stopping = threading.Event()
    stopping.set()
    with capture_logs() as logs:
        made(outbox, sandbox.transactions).run(stopping)

    assert [] == logs
    assert 1 == len(asked(runs(made(outbox, sandbox.transactions))))


def test_without_an_address_there_is_no_such_errand(outbox: Outbox) -> None:
    """It is optional."""
    assert build(ErrandSettings.from_env({}), outbox) is None
