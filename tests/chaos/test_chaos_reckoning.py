"""That the reckoning would notice: each promise broken on purpose, with real rows and a real sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from harness import TOKEN

from chaos.fleet import Fleet, Worker
from chaos.reckoning import Reckoning, Witness, reckon
from cmqueue import Guarantee, Lane, Message, Outbox, Receipt, State
from cmqueue.claim import Batch
from cmqueue.gate import Endpoint, GateRules
from cmqueue.report import Report, merge
from cmqueue.settlement import Settlement
from cmqueue.state import Reason
from cmqueue.sweep import SweepRules
from sandbox.running import SandboxClient, running

NUMBER = "0031600000001"
ONCE, TWICE = Guarantee.AT_MOST_ONCE, Guarantee.AT_LEAST_ONCE


@pytest.fixture(scope="module")
def endpoint() -> Iterator[SandboxClient]:
    with running() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(endpoint: SandboxClient) -> SandboxClient:
    endpoint.reset()
    return endpoint


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """One worker that is nothing but its log."""
    fleet = Fleet("", "", "", tmp_path)
    worker = object.__new__(Worker)
    worker.log = tmp_path / "worker0.log"
    worker.log.touch()
    fleet.all.append(worker)
    return fleet


def enqueued(outbox: Outbox, guarantee: Guarantee = ONCE) -> Receipt:
    message = Message(sender="Acme", to=NUMBER, text="Hi")
    return outbox.enqueue(message, lane="urgent", guarantee=guarantee)


def settled(outbox: Outbox, state: State = State.ACCEPTED) -> None:
    """Write down `state` for what waits, as a worker would."""
    partition = outbox.registry.partition("default")
    batch, _ = partition.claim("b", [Lane.URGENT], lease=60)
    assert isinstance(batch, Batch)
    partition.mark("b", lease=60, earliest_expiry=2**31)
    partition.settle("b", [Settlement(state, Reason.ACCEPTED)], Endpoint("answered"), GateRules())


def post(sandbox: SandboxClient, receipt: Receipt) -> None:
    body = {
        "messages": {
            "msg": [
                {
                    "from": "Acme",
                    "to": [{"number": NUMBER}],
                    "body": {"type": "auto", "content": "Hi"},
                    "reference": receipt.reference,
                }
            ]
        }
    }
    headers = {"Content-Type": "application/json", "X-CM-PRODUCTTOKEN": TOKEN}
    request = Request(sandbox.endpoint, json.dumps(body).encode(), headers)
    build_opener(ProxyHandler({})).open(request, timeout=5).close()


def called_ambiguous(fleet: Fleet, receipt: Receipt, at: datetime) -> None:
    line = {
        "event": "message.ambiguous", "id": receipt.id, "reference": receipt.reference,
        "timestamp": at.isoformat().replace("+00:00", "Z"),
    }  # fmt: skip
    with fleet.all[0].log.open("a") as log:
        log.write(json.dumps(line) + '\n{"event": "message.ambig')


def reckoned(outbox: Outbox, sandbox: SandboxClient, fleet: Fleet, *receipts: Receipt) -> Reckoning:
    return reckon(outbox, Witness(sandbox), fleet, sandbox, {receipt.id for receipt in receipts})


def test_books_in_order_have_no_problem(outbox: Outbox, sandbox: SandboxClient, fleet: Fleet) -> None:
    """Accepted with us, once in the sandbox."""
    receipt = enqueued(outbox)
    settled(outbox)
    post(sandbox, receipt)

    found = reckoned(outbox, sandbox, fleet, receipt)
    assert (1, 0, []) == (found.messages, found.lost, found.problems)


def test_a_message_that_never_came_is_lost(outbox: Outbox, sandbox: SandboxClient, fleet: Fleet) -> None:
    """Accepted by our books, unknown to the sandbox."""
    receipt = enqueued(outbox)
    settled(outbox)

    assert 1 == reckoned(outbox, sandbox, fleet, receipt).lost


def test_a_message_that_still_waits_is_lost(outbox: Outbox, sandbox: SandboxClient, fleet: Fleet) -> None:
    """Nothing may wait when all is over."""
    assert 1 == reckoned(outbox, sandbox, fleet, enqueued(outbox)).lost


def test_an_id_without_a_row_is_lost(outbox: Outbox, sandbox: SandboxClient, fleet: Fleet) -> None:
    """What enqueue returned an id for has to be there."""
    enqueued(outbox)
    settled(outbox, State.REJECTED)

    assert 1 == reckoned(outbox, sandbox, fleet, Receipt("AAAAAA" + "A" * 20, "")).lost


def test_a_repeat_at_most_once_is_counted(outbox: Outbox, sandbox: SandboxClient, fleet: Fleet) -> None:
    """Whatever the logs say, at_most_once never comes twice."""
    receipt = enqueued(outbox, ONCE)
    settled(outbox)
    called_ambiguous(fleet, receipt, datetime.now(UTC) - timedelta(seconds=5))
    post(sandbox, receipt)
    post(sandbox, receipt)

    found = reckoned(outbox, sandbox, fleet, receipt)
    assert (1, 0) == (found.duplicates_at_most_once, found.duplicates_at_least_once)
    assert found.problems


@pytest.mark.parametrize(
    ("said", "unrecorded"), [(None, 1), (timedelta(seconds=-5), 0), (timedelta(seconds=5), 1)],
    ids=["never", "before", "afterwards"],
)  # fmt: skip
def test_a_repeat_at_least_once_needs_an_earlier_line(
    outbox: Outbox, sandbox: SandboxClient, fleet: Fleet, said: timedelta | None, unrecorded: int
) -> None:
    """The line that calls it ambiguous was written before the message came again."""
    receipt = enqueued(outbox, TWICE)
    settled(outbox)
    if said is not None:
        called_ambiguous(fleet, receipt, datetime.now(UTC) + said)
    post(sandbox, receipt)
    post(sandbox, receipt)

    found = reckoned(outbox, sandbox, fleet, receipt)
    assert (1, unrecorded) == (found.duplicates_at_least_once, found.unrecorded)
    assert bool(unrecorded) is bool(found.problems)


def test_a_second_repeat_needs_a_second_line(outbox: Outbox, sandbox: SandboxClient, fleet: Fleet) -> None:
    """One doubt excuses one repeat."""
    receipt = enqueued(outbox, TWICE)
    settled(outbox)
    called_ambiguous(fleet, receipt, datetime.now(UTC) - timedelta(seconds=5))
    for _ in range(3):
        post(sandbox, receipt)

    assert 1 == reckoned(outbox, sandbox, fleet, receipt).unrecorded


def test_what_was_cancelled_must_not_come(outbox: Outbox, sandbox: SandboxClient, fleet: Fleet) -> None:
    """Cancelled means certainly not sent."""
    receipt = enqueued(outbox)
    outbox.cancel(receipt.id)
    post(sandbox, receipt)

    assert reckoned(outbox, sandbox, fleet, receipt).problems


def test_what_became_of_doubts_is_counted(outbox: Outbox, sandbox: SandboxClient, fleet: Fleet) -> None:
    """By guarantee: settled by a report, or sent again though CM had it."""
    told, again = enqueued(outbox, ONCE), enqueued(outbox, TWICE)
    for receipt in (told, again):
        doubted(outbox)
        post(sandbox, receipt)
    merge(outbox, [Report(told.reference, NUMBER, 2)])
    outbox.registry.partition("default").sweep(SweepRules(), list(Lane))
    settled(outbox)
    post(sandbox, again)

    doubts = reckoned(outbox, sandbox, fleet, told, again).doubts
    once, twice = doubts["at_most_once"], doubts["at_least_once"]
    assert (1, 1, 1, 0) == (once["doubted"], once["settled"], once["receipt"], once["resent"])
    assert (1, 1, 0, 1, 1) == tuple(
        twice[name] for name in ("doubted", "settled", "receipt", "resent", "needless")
    )


def doubted(outbox: Outbox) -> None:
    """What waits was posted, and no answer came; its window is over."""
    partition = outbox.registry.partition("default")
    partition.claim("d", [Lane.URGENT], lease=60, limit=1)
    partition.mark("d", lease=60, earliest_expiry=2**31)
    doubt = Settlement(State.AMBIGUOUS, Reason.READ_TIMEOUT)
    partition.settle("d", [doubt], Endpoint("silent"), GateRules())
