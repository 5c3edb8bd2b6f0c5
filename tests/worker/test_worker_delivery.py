"""The main job: what goes in comes out at the endpoint, once, and its outcome is known."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from harness import Run, WorkerProcess, all_finished, events, eventually, finished

from cmqueue import Content, Message, Outbox, State
from cmqueue.gate import Endpoint, GateRules
from cmqueue.lane import Lane
from cmqueue.settlement import Settlement
from cmqueue.state import Reason
from sandbox.running import SandboxClient


def test_a_message_arrives_and_its_status_says_so(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """One message goes from enqueue through a real worker to the endpoint, and is accepted."""
    run()
    receipt = outbox.enqueue(Message(sender="Acme", to="+31600000001", text="Hello"), lane="urgent")

    assert State.ACCEPTED is eventually(lambda: finished(outbox, receipt.id))
    (message,) = sandbox.messages()
    assert ("Acme", "0031600000001", "Hello", receipt.reference) == (
        message["from"], message["to"], message["body"], message["reference"],
    )  # fmt: skip
    assert {(receipt.reference, "0031600000001"): 1} == sandbox.pairs()


def test_recipients_of_a_broadcast_share_one_request(
    outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """A thousand recipients of one content are one request, each accounted for by itself."""
    broadcast = outbox.broadcast(
        Content(sender="Acme", text="Sale"), [f"003160000{n:04}" for n in range(1000)]
    )
    run()

    eventually(lambda: all_finished(outbox))
    assert (1, 1000, 1000) == tuple(sandbox.counts()[name] for name in ("requests", "messages", "unique"))
    assert {State.ACCEPTED} == {outbox.status(receipt.id).state for receipt in list(broadcast)[:20]}


def test_a_mixed_answer_settles_each_message_by_its_row(
    outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """A recipient that CM refuses ends rejected with CM's code; its neighbours are accepted; one request."""
    good = outbox.enqueue(Message(sender="Acme", to="0031600000001", text="Hi"))
    bad = outbox.enqueue(Message(sender="Acme", to="0031600009402", text="Hi"))
    run()

    eventually(lambda: all_finished(outbox))
    assert State.ACCEPTED is outbox.status(good.id).state
    assert (State.REJECTED, 402) == (outbox.status(bad.id).state, outbox.status(bad.id).code)
    assert 1 == sandbox.counts()["requests"]


def test_the_log_accounts_for_every_message(outbox: Outbox, run: Run) -> None:
    """Each id stands in exactly one final line: its batch's summary, or one of its own with its reference."""
    ids = [outbox.enqueue(Message(sender="Acme", to=f"003160000{n:04}", text="Hi")).id for n in range(30)]
    refused = outbox.enqueue(Message(sender="Acme", to="0031600009303", text="Hi"))
    worker = run()

    eventually(lambda: all_finished(outbox))
    accepted = [each for line in events(worker, "batch.accepted") for each in line["ids"]]
    assert sorted(ids) == sorted(accepted)
    (line,) = events(worker, "message.rejected")
    assert (refused.id, refused.reference, 303) == (line["id"], line["reference"], line["code"])


def test_a_scheduled_message_waits_for_its_time(outbox: Outbox, run: Run) -> None:
    """send_at is a time before which nothing is sent, and after which it is."""
    run()
    due = datetime.now(UTC) + timedelta(seconds=3)
    receipt = outbox.enqueue(Message(sender="Acme", to="0031600000001", text="Later"), send_at=due)

    assert State.ACCEPTED is eventually(lambda: finished(outbox, receipt.id))
    history = outbox.status(receipt.id).history
    assert [State.SCHEDULED, State.QUEUED, State.ACCEPTED] == [entry.state for entry in history]
    assert all(entry.at >= due.timestamp() for entry in history[1:])


def test_an_expired_message_is_not_sent(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """A message whose time ended before a worker came ends expired and never reaches the endpoint."""
    late = outbox.enqueue(Message(sender="Acme", to="0031600000001", text="Late"), expires_in=1)
    eventually(lambda: datetime.now(UTC).timestamp() > outbox.status(late.id).expires_at)
    run()
    fresh = outbox.enqueue(Message(sender="Acme", to="0031600000002", text="Fresh"))

    eventually(lambda: all_finished(outbox))
    assert State.EXPIRED is outbox.status(late.id).state
    assert {(fresh.reference, "0031600000002"): 1} == sandbox.pairs()


def test_a_cancelled_message_is_not_sent(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """What cancel took back stays out of the request that its neighbours go in."""
    taken_back = outbox.enqueue(Message(sender="Acme", to="0031600000001", text="No"))
    other = outbox.enqueue(Message(sender="Acme", to="0031600000002", text="Yes"))
    assert "cancelled" == outbox.cancel(taken_back.id)
    run()

    eventually(lambda: all_finished(outbox))
    assert {(other.reference, "0031600000002"): 1} == sandbox.pairs()
    assert State.CANCELLED is outbox.status(taken_back.id).state
    assert outbox.audit().balanced


def test_the_expiry_travels_as_validity(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """CM is told until when the message is of use."""
    receipt = outbox.enqueue(Message(sender="Acme", to="0031600000001", text="Hi"), expires_in=3600)
    expires_at = outbox.status(receipt.id).expires_at
    run()

    eventually(lambda: all_finished(outbox))
    expected = datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%d %H:%M:%S GMT")
    assert expected == sandbox.messages()[0]["validity"]


def test_q_narrows_a_worker_to_lanes(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """A worker started with -Q urgent leaves the other lanes alone, in its sweeper too."""
    run("-Q", "urgent")
    bulk = outbox.enqueue(Message(sender="Acme", to="0031600000001", text="Bulk"), lane="bulk")
    for n in range(3):
        urgent = outbox.enqueue(Message(sender="Acme", to=f"003160000{n:04}", text="Urgent"), lane="urgent")
        eventually(lambda: finished(outbox, urgent.id))  # noqa: B023 - waited for at once

    assert State.QUEUED is outbox.status(bulk.id).state


def test_a_lane_is_drained_without_the_broker(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """While the broker is unreachable, the sweeper drains what waits."""
    run(CMQUEUE_BROKER_URL="redis://127.0.0.1:1/0")
    receipt = outbox.enqueue(Message(sender="Acme", to="0031600000001", text="Hi"))

    assert State.ACCEPTED is eventually(lambda: finished(outbox, receipt.id))


def test_without_the_broker_a_long_lane_is_drained_in_parallel(
    outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """Each helper whose first batch is full starts one more, up to the slots."""
    outbox.broadcast(Content(sender="Acme", text="Sale"), [f"003160000{n:04}" for n in range(120)])
    sandbox.faults({"kind": "slow", "ms": 400})
    worker = run(CMQUEUE_BROKER_URL="redis://127.0.0.1:1/0", CMQUEUE_BATCH_SIZE="10")

    eventually(lambda: all_finished(outbox))
    ends = [
        (datetime.fromisoformat(line["timestamp"]), line["seconds"])
        for line in events(worker, "batch.posted")
    ]
    spans = [(end - timedelta(seconds=took), end) for end, took in ends]
    assert max(sum(begin <= at < end for begin, end in spans) for at, _ in spans) >= 4


def test_urgent_ones_that_come_in_a_row_do_not_take_the_threads_of_a_bulk(
    outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """While the thread kept for them is at it, the others leave them to it: they go in fewer requests."""
    outbox.broadcast(Content(sender="Acme", text="Sale"), [f"003160000{n:04}" for n in range(3000)])
    sandbox.faults({"kind": "slow", "ms": 150})
    worker = run(CMQUEUE_BATCH_SIZE="10")
    eventually(lambda: len(events(worker, "batch.posted")) > 40)
    for number in range(20):
        outbox.enqueue(Message(sender="Acme", to=f"003160000{number:04}", text="Code"), lane="urgent")
        time.sleep(0.02)

    eventually(lambda: 20 == sum(line["size"] for line in urgent_posts(worker)))
    assert len(urgent_posts(worker)) <= 10


def urgent_posts(worker: WorkerProcess) -> list[dict[str, Any]]:
    return [line for line in events(worker, "batch.posted") if line["lane"] == "urgent"]


def test_only_to_suppresses_everyone_else(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """With an allow-list, other numbers end suppressed and are never posted."""
    allowed = outbox.enqueue(Message(sender="Acme", to="0031600000001", text="Hi"))
    other = outbox.enqueue(Message(sender="Acme", to="0044770090001", text="Hi"))
    run(CMQUEUE_ONLY_TO="+3160000")

    eventually(lambda: all_finished(outbox))
    assert State.ACCEPTED is outbox.status(allowed.id).state
    assert (State.SUPPRESSED, "not_allowed") == (
        outbox.status(other.id).state,
        outbox.status(other.id).reason,
    )
    assert {(allowed.reference, "0031600000001"): 1} == sandbox.pairs()


def test_only_to_does_not_suppress_what_may_have_arrived(
    outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """A message that waits to be resent when the allow-list comes is not sent, and ends unknown."""
    receipt = outbox.enqueue(
        Message(sender="Acme", to="0044770090001", text="Hi"), guarantee="at_least_once", expires_in=60
    )
    partition = outbox.registry.partition("default")
    partition.claim("first", [Lane.NORMAL], lease=60)
    partition.mark("first", lease=60, earliest_expiry=2**32 - 1)
    doubt = Settlement(State.AMBIGUOUS, Reason.CONNECTION_LOST)
    partition.settle("first", [doubt], Endpoint("silent"), GateRules())
    run(CMQUEUE_ONLY_TO="+3160000", CMQUEUE_RECONCILE_SECONDS="0.1", CMQUEUE_MAX_RESENDS="1")

    assert State.UNKNOWN is eventually(lambda: finished(outbox, receipt.id))
    assert 0 == sandbox.counts()["requests"]


def test_two_accounts_post_with_their_own_tokens(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """Queues are per account: a request never mixes two."""
    one = outbox.enqueue(Message(sender="Acme", to="0031600000001", text="Hi"))
    two = outbox.enqueue(Message(sender="Acme", to="0031600000002", text="Hi"), account="second")
    run(CMQUEUE_ACCOUNTS='{"second": "11111111-1111-1111-1111-222222222222"}')

    eventually(lambda: all_finished(outbox))
    assert {State.ACCEPTED} == {outbox.status(receipt.id).state for receipt in (one, two)}
    assert one.id[:2] != two.id[:2]
    assert 2 == sandbox.counts()["requests"]


def test_a_worker_told_to_stop_ends_in_order(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """SIGTERM: the answer in flight is recorded, and the exit status is 0."""
    sandbox.faults({"kind": "slow", "ms": 1000, "count": 1})
    worker = run()
    receipt = outbox.enqueue(Message(sender="Acme", to="0031600000001", text="Hi"))
    eventually(lambda: outbox.status(receipt.id).state is State.POSTING)

    worker.process.send_signal(signal.SIGTERM)
    assert 0 == worker.process.wait(20)
    assert State.ACCEPTED is outbox.status(receipt.id).state
