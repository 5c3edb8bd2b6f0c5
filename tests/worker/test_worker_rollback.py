"""Redis comes back from an older append-only file: what is sent at most once is not sent again unasked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from harness import Run, all_finished, events, eventually

from cmqueue import Guarantee, Message, Outbox, State
from cmqueue.hold import holds, resume_rolled_back
from cmqueue.lane import Lane
from demo.valkey import RunningServer, running
from sandbox.running import SandboxClient

ONCE, LEAST = Guarantee.AT_MOST_ONCE, Guarantee.AT_LEAST_ONCE
EACH = 3


@pytest.fixture
def valkey() -> Iterator[RunningServer]:
    """A server of the test's own that keeps all it acknowledged, unless its files are replaced."""
    with running("--save", "", "--appendonly", "yes", "--appendfsync", "always") as server:
        yield server


def _posted(sandbox: SandboxClient, ids: dict[str, str]) -> dict[str, int]:
    """How often each message was posted, by its id; `ids` are ids by reference."""
    times = dict.fromkeys(ids.values(), 0)
    for (reference, _), count in sandbox.pairs().items():
        times[ids[reference]] += count
    return times


def test_an_older_append_only_file(
    valkey: RunningServer, outbox: Outbox, sandbox: SandboxClient, run: Run, tmp_path: Path
) -> None:
    """
    A worker that runs on sees the rollback and holds what is sent at most once, until an operator has looked
    and resumes; what is sent at least once goes again.
    """
    log, kept = valkey.directory / "appendonlydir", tmp_path / "older"
    partition = outbox.registry.partition("default")
    worker = run()
    eventually(lambda: events(worker, "worker.started"))
    due = datetime.now(UTC) + timedelta(seconds=4)
    ids: dict[Guarantee, list[str]] = {ONCE: [], LEAST: []}
    by_reference = {}
    for guarantee, mine in ids.items():
        for n in range(EACH):
            message = Message(sender="Acme", to=f"003160000000{n}", text=guarantee)
            receipt = outbox.enqueue(message, guarantee=guarantee, send_at=due)
            mine.append(receipt.id)
            by_reference[receipt.reference] = receipt.id
    # The worker has been told of a state in which they are scheduled; that is the one that will come back.
    eventually(lambda: outbox.scripts.client.keys(partition.prefix + "told:*"))
    shutil.copytree(log, kept)
    assert State.SCHEDULED is outbox.status(ids[LEAST][-1]).state

    eventually(lambda: all_finished(outbox))
    valkey.stop()
    shutil.rmtree(log)
    shutil.copytree(kept, log)
    valkey.start()

    (fell,) = eventually(lambda: events(worker, "outbox.rolled_back"))  # type: ignore[misc]
    assert ("critical", partition.code, "default") == (fell["level"], fell["partition"], fell["account"])
    assert fell["to"] < fell["from"]
    once, least = ids[ONCE], ids[LEAST]
    eventually(lambda: outbox.scripts.client.llen(partition.prefix + "aside:n") == EACH)
    eventually(lambda: outbox.audit().finished[State.ACCEPTED] == EACH)
    assert dict.fromkeys(once, 1) | dict.fromkeys(least, 2) == _posted(sandbox, by_reference)
    assert {State.QUEUED} == {outbox.status(id).state for id in once}
    assert outbox.audit().balanced

    # Later ones are held too; a resume lets them go, and what was set aside, but for what somebody cancelled.
    later = outbox.enqueue(Message(sender="Acme", to="0031600000009", text="Later"), guarantee=ONCE)
    by_reference[later.reference] = later.id
    eventually(lambda: outbox.scripts.client.llen(partition.prefix + "aside:n") == EACH + 1)
    assert "cancelled" == outbox.cancel(once[0])
    assert "rolled_back" == holds(outbox)[0].why.partition(":")[0]
    assert resume_rolled_back(outbox, "default")
    eventually(lambda: all_finished(outbox))
    assert {once[0]: 1, once[1]: 2, once[2]: 2, later.id: 1} == {
        id: times for id, times in _posted(sandbox, by_reference).items() if id not in least
    }
    assert [] == holds(outbox)
    assert 1 == len(events(worker, "outbox.rolled_back"))
    assert 0 == outbox.scripts.client.llen(partition.prefix + f"ready:{Lane.NORMAL.letter}")
    assert outbox.audit().balanced


@pytest.mark.parametrize("survivor", ["the worker", "the web app"])
def test_a_redis_that_comes_back_empty(
    valkey: RunningServer, outbox: Outbox, sandbox: SandboxClient, run: Run, survivor: str
) -> None:
    """Whoever runs on tells it of the partition and the key; what is enqueued from then on is delivered."""
    message = Message(sender="Acme", to="00316000000001", text="Hi", idempotency_key="a")
    outbox.enqueue(message)
    worker = run()
    eventually(lambda: all_finished(outbox))
    if survivor == "the web app":
        worker.terminate()
    valkey.stop()
    shutil.rmtree(valkey.directory / "appendonlydir")
    valkey.start()
    if survivor == "the web app":
        worker = run()
    else:
        eventually(lambda: events(worker, "registry.restored"))
        outbox = Outbox(outbox.settings)

    receipt = outbox.enqueue(message, guarantee=LEAST)

    with outbox:
        eventually(lambda: sandbox.counts()["unique"] == 2)
        eventually(lambda: all_finished(outbox))
        assert (1, "AA") == (outbox.audit().enqueued, receipt.id[:2])
        with Outbox(outbox.settings) as fresh:
            assert outbox.registry.key == fresh.registry.key
            assert fresh.enqueue(message).duplicate
    assert [] == events(worker, "account.unknown", "key.contested", "partition.contested")


def test_a_restart_that_loses_nothing_holds_nothing(
    valkey: RunningServer, outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """A Redis that comes back as it was is no rollback, whatever the worker was doing."""
    worker = run()
    messages = [Message(sender="Acme", to=f"00316000{n:05}", text="Hi") for n in range(2000)]
    for _ in outbox.enqueue_many(messages[:1000]):
        pass
    eventually(lambda: sandbox.counts()["requests"])
    valkey.stop()
    valkey.start()
    for _ in outbox.enqueue_many(messages[1000:]):
        pass

    eventually(lambda: all_finished(outbox))
    assert [] == events(worker, "outbox.rolled_back")
    assert [] == holds(outbox)
    assert (2000, 0) == (sandbox.counts()["unique"], sandbox.counts()["duplicates"])
