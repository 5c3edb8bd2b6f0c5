"""Redis goes away: the broker with a wake-up unacknowledged, the outbox with an answer to settle."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from harness import Run, events, eventually, finished

import worker.celery  # noqa: F401 - what it says to kombu holds for the process
from cmqueue import Message, Outbox, State
from cmqueue.settings import LibrarySettings
from config.celery import configuration
from config.settings import WorkerSettings
from demo.valkey import RunningServer
from sandbox.running import SandboxClient


def test_a_wake_up_that_was_not_acknowledged_does_not_end_the_worker(private_valkey: RunningServer) -> None:
    """The connection closes without an error, though the server that the wake-up came from is gone."""
    settings = WorkerSettings.from_env({"CMQUEUE_REDIS_URL": private_valkey.url})
    app = Celery("test", set_as_current=False)
    app.conf.update(configuration(settings))
    app.send_task("cmqueue.drain", args=("normal", "AA"), queue="normal", ignore_result=True)
    taken: list[Any] = []
    connection = app.connection_for_read()
    with connection.Consumer(app.amqp.queues["normal"], callbacks=[lambda _, message: taken.append(message)]):
        connection.drain_events(timeout=5)
        private_valkey.stop()
        connection.collect()
    assert 1 == len(taken)


@pytest.mark.parametrize("server_too", [True, False], ids=["with its server", "alone"])
def test_a_wake_up_acknowledged_too_late_does_not_end_the_worker(
    private_valkey: RunningServer, server_too: bool
) -> None:
    """Its connection is gone: that is an error of connections, which Celery logs, and goes on."""
    settings = WorkerSettings.from_env({"CMQUEUE_REDIS_URL": private_valkey.url})
    app = Celery("test", set_as_current=False)
    app.conf.update(configuration(settings))
    app.send_task("cmqueue.drain", args=("normal", "AA"), queue="normal", ignore_result=True)
    taken: list[Any] = []
    connection = app.connection_for_read()
    with connection.Consumer(app.amqp.queues["normal"], callbacks=[lambda _, message: taken.append(message)]):
        connection.drain_events(timeout=5)
        if server_too:
            private_valkey.stop()
        connection.collect()
    (message,) = taken

    with pytest.raises(connection.connection_errors):
        message.ack()


def test_an_answer_waits_for_redis_and_says_so(
    private_valkey: RunningServer, sandbox: SandboxClient, start_worker: Run
) -> None:
    """What was learnt while Redis is away is told of once, offered again, and settled when it is back."""
    private_valkey.stop()
    private_valkey.options = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
    private_valkey.start()
    sandbox.faults({"kind": "slow", "ms": 3000, "count": 1})
    worker = start_worker(private_valkey.url, sandbox.endpoint, CMQUEUE_READ_TIMEOUT="10")
    with Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": private_valkey.url})) as outbox:
        receipt = outbox.enqueue(Message(sender="Acme", to="0031600000001", text="Hi"))
        eventually(lambda: sandbox.counts()["requests"])
        private_valkey.stop()
        eventually(lambda: events(worker, "redis.awaited"))
        private_valkey.start()

        assert State.ACCEPTED is eventually(lambda: finished(outbox, receipt.id))
        assert 1 == len(events(worker, "redis.awaited"))
        assert not events(worker, "message.ambiguous")
