"""What the endpoint does wrong, and what becomes of the messages: never lost, never sent twice unasked."""

from __future__ import annotations

from typing import Any

import pytest
from harness import Run, all_finished, events, eventually, finished

from cmqueue import Content, Guarantee, Message, Outbox, State
from sandbox.running import SandboxClient

AT_MOST_ONCE, AT_LEAST_ONCE = Guarantee.AT_MOST_ONCE, Guarantee.AT_LEAST_ONCE

#: Faults after which nobody can know whether the message was taken; whether the sandbox took it.
DOUBTFUL = [
    ({"kind": "drop_before"}, 0),
    ({"kind": "drop_after"}, 1),
    ({"kind": "partial_answer"}, 1),
    ({"kind": "hang", "taken": True}, 1),
    ({"kind": "hang", "taken": False}, 0),
    ({"kind": "drip", "ms": 300}, 1),
    ({"kind": "not_json", "taken": True}, 1),
    ({"kind": "missing_row"}, 1),
    ({"kind": "status", "status": 500}, 0),
    ({"kind": "status", "status": 502, "taken": True}, 1),
    ({"kind": "status", "status": 503}, 0),
    ({"kind": "status", "status": 504, "taken": True}, 1),
    ({"kind": "status", "status": 524, "taken": True}, 1),
    ({"kind": "status", "status": 500, "body": "json", "error_code": 999}, 0),
]


def name(fault: Any) -> str | None:
    return "-".join(str(value) for value in fault.values()) if isinstance(fault, dict) else None


def send(outbox: Outbox, number: str = "0031600000001", **options: Any) -> Any:
    return outbox.enqueue(Message(sender="Acme", to=number, text="Hi"), **options)


@pytest.mark.parametrize(("fault", "taken"), DOUBTFUL, ids=name)
def test_doubt_at_most_once_is_never_sent_again(
    outbox: Outbox, sandbox: SandboxClient, run: Run, fault: dict[str, Any], taken: int
) -> None:
    """An ambiguous message waits for its window, ends unknown, and is posted exactly once."""
    receipt = send(outbox, guarantee=AT_MOST_ONCE)
    sandbox.faults(fault | {"count": 1})
    worker = run()

    eventually(lambda: all_finished(outbox))
    assert (State.UNKNOWN, "window_ended") == (
        outbox.status(receipt.id).state,
        outbox.status(receipt.id).reason,
    )
    assert (1, taken) == (sandbox.counts()["requests"], sum(sandbox.pairs().values()))
    (line,) = events(worker, "message.ambiguous")
    assert (receipt.reference, "warning") == (line["reference"], line["level"])


def test_doubt_at_least_once_is_resent_with_the_same_reference(
    outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """After its lane's wait an ambiguous message goes again; the duplicate was recorded ambiguous first."""
    receipt = send(outbox, lane="urgent")
    sandbox.faults({"kind": "drop_after", "count": 1})
    worker = run()

    assert State.ACCEPTED is eventually(lambda: finished(outbox, receipt.id))
    assert {(receipt.reference, "0031600000001"): 2} == sandbox.pairs()
    order = [
        line["event"]
        for line in events(worker, "message.ambiguous", "message.resent", "batch.accepted")
        if receipt.id in (line.get("id"), *line.get("ids", []))
    ]
    assert ["message.ambiguous", "message.resent", "batch.accepted"] == order


def test_resends_have_an_end(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """At least once gives up after CMQUEUE_MAX_RESENDS and says so."""
    receipt = send(outbox, lane="urgent")
    sandbox.faults({"kind": "status", "status": 502})
    run(CMQUEUE_MAX_RESENDS="1")

    assert State.UNKNOWN is eventually(lambda: finished(outbox, receipt.id))
    assert ("resends_exhausted", 1) == (outbox.status(receipt.id).reason, outbox.status(receipt.id).resends)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429, "retry_after": 1},
        {"kind": "status", "status": 429},
        {"kind": "status", "status": 503, "retry_after": 1},
    ],
    ids=name,
)
def test_a_refusal_is_tried_again_and_burns_no_attempt(
    outbox: Outbox, sandbox: SandboxClient, run: Run, fault: dict[str, Any]
) -> None:
    """429, and 503 with Retry-After: nothing was taken; the message goes again later, once."""
    receipt = send(outbox, guarantee=AT_MOST_ONCE)
    sandbox.faults(fault | {"count": 1})
    run()

    assert State.ACCEPTED is eventually(lambda: finished(outbox, receipt.id))
    status = outbox.status(receipt.id)
    assert ["enqueued", "overloaded", "released", "accepted"] == [
        entry.reason.text for entry in status.history
    ]
    assert 1 == status.attempts
    assert {(receipt.reference, "0031600000001"): 1} == sandbox.pairs()


def test_a_refused_connection_costs_nothing(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """While nothing listens, messages wait; when it is back each is sent once, with no attempt burnt."""
    receipt = send(outbox, guarantee=AT_MOST_ONCE)
    sandbox.faults({"kind": "refuse", "seconds": 3})
    run()

    assert State.ACCEPTED is eventually(lambda: finished(outbox, receipt.id))
    assert 1 == outbox.status(receipt.id).attempts
    assert {(receipt.reference, "0031600000001"): 1} == sandbox.pairs()


def test_a_row_refused_for_a_passing_cause_is_retried(
    outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """A row of code 500 burns an attempt and goes again by the schedule."""
    receipt = send(outbox)
    sandbox.faults({"kind": "reject_all", "code": 500, "count": 1})
    run()

    assert State.ACCEPTED is eventually(lambda: finished(outbox, receipt.id))
    assert 2 == outbox.status(receipt.id).attempts


def test_attempts_have_an_end(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """After CMQUEUE_MAX_ATTEMPTS such rows the message is dead, kept, and can be redriven."""
    receipt = send(outbox)
    sandbox.faults({"kind": "reject_all", "code": 500})
    run(CMQUEUE_MAX_ATTEMPTS="2")

    assert State.DEAD is eventually(lambda: finished(outbox, receipt.id))
    assert ("attempts_exhausted", 500, 2) == (
        outbox.status(receipt.id).reason, outbox.status(receipt.id).code, outbox.status(receipt.id).attempts,
    )  # fmt: skip
    sandbox.clear()
    partition = outbox.registry.partition("default")
    partition.redrive("X", [receipt.id[2:]], 60)
    assert State.ACCEPTED is eventually(lambda: finished(outbox, receipt.id))


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 400, "body": "json", "error_code": 101},
        {"kind": "status", "status": 400, "body": "json", "error_code": 102},
        {"kind": "status", "status": 400, "body": "json", "error_code": 103},
        {"kind": "status", "status": 401},
        {"kind": "status", "status": 403},
    ],
    ids=name,
)
def test_an_account_stop_keeps_the_messages(
    outbox: Outbox, sandbox: SandboxClient, run: Run, fault: dict[str, Any]
) -> None:
    """Whatever says the account is at fault stops it; probes find out when it is well; nothing is lost."""
    receipts = [send(outbox, f"003160000{n:04}") for n in range(30)]
    sandbox.faults(fault)
    worker = run()

    eventually(lambda: events(worker, "account.stopped"))
    eventually(lambda: outbox.status(receipts[0].id).state is State.QUEUED)  # written after it was logged
    assert 0 == outbox.status(receipts[0].id).attempts
    assert "stopped" in outbox.explain(receipts[0].id)
    sandbox.clear()
    eventually(lambda: all_finished(outbox))
    assert (30, 30) == (outbox.audit().finished[State.ACCEPTED], sandbox.counts()["unique"])
    assert 0 == sandbox.counts()["duplicates"]


@pytest.mark.parametrize("fault", [
    {"kind": "status", "status": 400, "body": "json", "error_code": 202},
    {"kind": "status", "status": 413},
], ids=name)  # fmt: skip
def test_a_message_refused_as_a_whole_request_is_dead(
    outbox: Outbox, sandbox: SandboxClient, run: Run, fault: dict[str, Any]
) -> None:
    """202, 203 and 413, for a request of one message: it is dead, and its lane goes on."""
    receipt = send(outbox, lane="bulk")
    sandbox.faults(fault | {"count": 1})
    run()

    assert State.DEAD is eventually(lambda: finished(outbox, receipt.id))
    status = outbox.status(receipt.id)
    assert ("poison", fault.get("error_code", 413), 1) == (status.reason, status.code, status.attempts)
    assert status.note
    other = send(outbox, "0031600000002", lane="bulk")
    assert State.ACCEPTED is eventually(lambda: finished(outbox, other.id))


def test_the_brake_saves_a_backlog_from_an_outage(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """While every answer is a 502 page, only a few batches are put in doubt; the rest is sent afterwards."""
    outbox.broadcast(Content(sender="Acme", text="Sale"), (f"003160{n:07}" for n in range(3000)))
    sandbox.faults({"kind": "status", "status": 502, "seconds": 4})
    worker = run(CMQUEUE_BATCH_SIZE="50")

    eventually(lambda: all_finished(outbox), 40)
    finished_in = outbox.audit().finished
    slots, batch, probes = 6, 50, 4 * 10
    assert finished_in[State.UNKNOWN] <= (slots + 3) * batch + probes
    assert 3000 == finished_in[State.UNKNOWN] + finished_in[State.ACCEPTED]
    assert finished_in[State.ACCEPTED] == sandbox.counts()["unique"]
    assert 0 == sandbox.counts()["duplicates"]
    assert events(worker, "claim.held")


def test_a_killed_worker_s_batch_is_in_doubt(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """kill -9 in the middle of a POST: another worker finds the lease ended and lets the guarantee decide."""
    once = send(outbox, guarantee=AT_MOST_ONCE, lane="bulk")
    sandbox.faults({"kind": "hang", "taken": True, "count": 1})
    worker = run()
    eventually(lambda: sandbox.counts()["unique"])  # the mark comes a moment before the POST
    worker.kill()
    heir = run()

    assert State.UNKNOWN is eventually(lambda: finished(outbox, once.id))
    assert {(once.reference, "0031600000001"): 1} == sandbox.pairs()
    assert [once.reference] == [line["reference"] for line in events(heir, "message.ambiguous")]
    assert outbox.audit().balanced


def test_an_extra_row_raises_an_alarm_and_harms_nobody(
    outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """A row that is not ours is told of; our own are settled."""
    receipt = send(outbox)
    sandbox.faults({"kind": "extra_row", "count": 1})
    worker = run()

    assert State.ACCEPTED is eventually(lambda: finished(outbox, receipt.id))
    assert [1] == [line["extra"] for line in events(worker, "answer.mismatched")]
