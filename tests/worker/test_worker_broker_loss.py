"""The broker goes away while a wake-up is with the worker."""

from __future__ import annotations

from typing import Any

from celery import Celery

import worker.celery  # noqa: F401 - what it says to kombu holds for the process
from config.celery import configuration
from config.settings import WorkerSettings
from demo.valkey import RunningServer


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
