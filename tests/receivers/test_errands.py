"""Errands on real Celery and real Redis: woken, by themselves, and through what may go wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from counting import DONE, SECRET
from harness import Run, WorkerProcess, events, eventually

from cmqueue import Message, Outbox, State
from cmqueue.settings import LibrarySettings
from config.celery import DRAIN_THREADS, ERRAND_THREADS, drain_threads
from demo.valkey import RunningServer
from sandbox.running import SandboxClient, running

HERE = Path(__file__).parent
NOWHERE = "http://127.0.0.1:1/v1.0/message"
AWAY = "redis://127.0.0.1:1/0"


@pytest.fixture
def run(start_worker: Run, valkey: RunningServer) -> Run:
    """Starts a worker that has the errands of `counting`."""

    def start(
        *arguments: str, url: str = valkey.url, endpoint: str = NOWHERE, **settings: str
    ) -> WorkerProcess:
        path = os.pathsep.join(map(str, (HERE.parent.parent, HERE)))
        return start_worker(url, endpoint, "-I", "counting", *arguments, PYTHONPATH=path, **settings)

    return start


@pytest.fixture
def sandbox() -> Iterator[SandboxClient]:
    with running(seed=1) as sandbox:
        yield sandbox


def put(outbox: Outbox, name: str, *items: str) -> None:
    outbox.scripts.client.rpush(f"test:{name}", *items)


def done(outbox: Outbox) -> list[str]:
    return [item.decode() for item in outbox.scripts.client.lrange(DONE, 0, -1)]


def ready(worker: WorkerProcess) -> object:
    return eventually(lambda: "ready." in worker.lines())


def test_a_wake_up_runs_its_errand(outbox: Outbox, run: Run) -> None:
    """It is a Celery task on a queue of its own; nothing else would have made this one run."""
    ready(run())
    put(outbox, "silent", "0")

    assert outbox.wake_errand("silent")
    eventually(lambda: ["silent 0"] == done(outbox))


def test_many_wake_ups_are_one_task(outbox: Outbox) -> None:
    """Until the errand begins, one token stands for all of them."""
    assert [True, False, False] == [outbox.wake_errand("silent") for _ in range(3)]
    assert 1 == outbox.scripts.client.llen("cmqueue:errands")


def test_work_that_nobody_was_woken_for_is_found(outbox: Outbox, run: Run) -> None:
    """A process that died between writing and waking delays its work by about a second."""
    ready(run())
    put(outbox, "first", "0")

    eventually(lambda: ["first 0"] == done(outbox), 4)


def test_errands_go_on_without_the_broker(outbox: Outbox, run: Run) -> None:
    """Where no wake-up comes through, each process runs by itself what nobody runs."""
    put(outbox, "first", "0")
    put(outbox, "second", "0")
    run(CMQUEUE_BROKER_URL=AWAY)

    eventually(lambda: ["first 0", "second 0"] == sorted(done(outbox)))


def test_a_killed_workers_errand_is_done_by_another(outbox: Outbox, run: Run) -> None:
    """What it had in hand is taken up again, though nobody tells of it."""
    put(outbox, "first", "3")
    worker = run()
    eventually(lambda: outbox.scripts.client.get("test:begun"))
    worker.kill()
    run()

    eventually(lambda: ["first 3"] == done(outbox))


@pytest.mark.parametrize("broker", [None, AWAY], ids=["with its broker", "without"])
def test_sigterm_ends_an_errand_between_two_units_of_work(
    outbox: Outbox, run: Run, broker: str | None
) -> None:
    """The one in hand is finished, the next one not begun, and the process ends by itself."""
    put(outbox, "first", *["1.5"] * 5)
    worker = run(**({} if broker is None else {"CMQUEUE_BROKER_URL": broker}))
    eventually(lambda: outbox.scripts.client.get("test:begun"))
    worker.process.send_signal(signal.SIGTERM)

    assert 0 == worker.process.wait(20)
    assert (["first 1.5"], 4) == (done(outbox), outbox.scripts.client.llen("test:first"))


def test_an_errand_that_raises_stops_no_other(outbox: Outbox, run: Run) -> None:
    """It is logged by its class and its frames, never by what it says, and rests before it is tried again."""
    put(outbox, "first", "raise", "0")
    worker = run()
    eventually(lambda: events(worker, "errand.failed"))
    put(outbox, "second", "0")
    eventually(lambda: ["second 0"] == done(outbox))

    (failed,) = events(worker, "errand.failed")
    assert ("first", "ValueError") == (failed["errand"], failed["exception"])
    assert SECRET not in worker.lines()


def test_an_unknown_errand_is_told_of(outbox: Outbox, run: Run) -> None:
    """A wake-up of another version is no error of the task's."""
    worker = run()
    outbox.wake_errand("unheard")

    assert "unheard" == eventually(lambda: events(worker, "errand.unknown"))[0]["errand"]  # type: ignore[index]


def test_a_worker_of_some_lanes_runs_no_errands(outbox: Outbox, run: Run) -> None:
    """It has all its threads for drains; a worker for the way back alone delivers nothing."""
    put(outbox, "first", "0")
    lanes = run("-Q", "urgent,normal")
    ready(lanes)
    time.sleep(3.5)  # that it does nothing can only be waited for
    assert ([], []) == (events(lanes, "errands.started"), done(outbox))
    assert [DRAIN_THREADS + ERRAND_THREADS] == [line["threads"] for line in events(lanes, "worker.started")]

    alone = run("-Q", "errands")
    eventually(lambda: ["first 0"] == done(outbox))
    assert [[]] == [line["lanes"] for line in events(alone, "worker.started")]


def test_errands_outlive_an_outage_of_redis(private_valkey: RunningServer, run: Run) -> None:
    """Redis goes with an errand at work, and comes back: the work goes on where it was."""
    private_valkey.stop()
    private_valkey.options = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
    private_valkey.start()
    worker = run(url=private_valkey.url)
    ready(worker)
    with Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": private_valkey.url})) as outbox:
        put(outbox, "first", "1", "0.1", "0.2")
        eventually(lambda: outbox.scripts.client.get("test:begun"))
        private_valkey.stop()
        eventually(lambda: events(worker, "errand.interrupted"))
        private_valkey.start()

        eventually(lambda: ["first 1", "first 0.1", "first 0.2"] == done(outbox), 30)


def test_drains_leave_the_errands_their_threads(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """However many urgent messages wait for CM, a wake-up of an errand finds a thread of the pool."""
    sandbox.faults({"kind": "slow", "ms": 6000})
    ready(run(endpoint=sandbox.endpoint, CMQUEUE_BATCH_SIZE="1"))
    for number in range(3 * DRAIN_THREADS):
        outbox.enqueue(Message(sender="Acme", to=f"00316000000{number:02}", text="Code"), lane="urgent")
        time.sleep(0.05)  # a wake-up each
    put(outbox, "silent", "0")

    assert outbox.wake_errand("silent")
    eventually(lambda: ["silent 0"] == done(outbox), 4)


def test_errands_leave_the_drains_their_threads(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """However long errands work, what is urgent goes out at once."""
    put(outbox, "first", "6")
    put(outbox, "second", "6")
    ready(run(endpoint=sandbox.endpoint))
    eventually(lambda: b"2" == outbox.scripts.client.get("test:begun"))
    receipt = outbox.enqueue(Message(sender="Acme", to="0031600000001", text="Code"), lane="urgent")

    eventually(lambda: outbox.states([receipt.id]) == [State.ACCEPTED], 4)
    assert [] == done(outbox)


def test_a_pool_is_shared_out() -> None:
    """Without errands drains have all of it; with them they keep one thread at least."""
    whole = DRAIN_THREADS + ERRAND_THREADS

    assert [DRAIN_THREADS, 1, 1] == [drain_threads(pool, errands=True) for pool in (whole, 2, 1)]
    assert whole == drain_threads(whole, errands=False)
