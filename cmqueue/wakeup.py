"""The wake-ups: two Celery tasks that say "drain this lane" or "run this errand", and never carry a message.

Published through a private Celery application, so a web app that has its own is left alone: its handlers of
signals hear nothing, and the queues carry a prefix of their own in the broker.
"""

from __future__ import annotations

import os
import time
import uuid
from typing import TYPE_CHECKING, Any

from cmqueue.lane import Lane
from cmqueue.log import log

if TYPE_CHECKING:
    from celery import Celery

TASK = "cmqueue.drain"
ERRAND = "cmqueue.errand"
ERRANDS = "errands"  #: the queue of the errands; the drains have one for each lane
KEY_PREFIX = "cmqueue:"
_COOL_DOWN = 5.0


def transport_options(timeout: float) -> dict[str, Any]:
    """kombu's options for the broker, of publisher and worker alike. The prefix keeps our queues our own."""
    return {
        "global_keyprefix": KEY_PREFIX,
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, 2.0),
        "socket_keepalive": True,
        "retry_on_timeout": False,
        # kombu's own repeats of a connect would make an enqueue wait while the broker is away.
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
        "interval_max": 0,
    }


class Waker:
    """Publishes wake-ups. A failed one never fails an enqueue: the sweepers wake the lane within a second."""

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url
        self._app: Celery | None = None
        self._pid = 0
        self._quiet_until = 0.0

    def wake(self, lane: Lane, partition: str) -> bool:
        """Ask for a drain of `lane`; whether the broker took it."""
        return self._ask(TASK, (lane.value, partition), lane.value)

    def errand(self, name: str) -> bool:
        """Ask for a run of the errand `name`, whose token the caller took; whether the broker took it."""
        return self._ask(ERRAND, (name,), ERRANDS)

    def _ask(self, task: str, arguments: tuple[str, ...], queue: str) -> bool:
        if time.monotonic() < self._quiet_until:
            return False
        app = self._app
        if app is None or self._pid != os.getpid():  # after a fork the parent's sockets are not ours
            app = self._app = _publisher(self._broker_url)
            self._pid = os.getpid()
        try:
            _publish(app, task, arguments, queue)
        except Exception as error:  # noqa: BLE001  # kombu raises whatever its transport does; none may reach an enqueue
            self._quiet_until = time.monotonic() + _COOL_DOWN
            log.warning("wakeup.failed", queue=queue, error=type(error).__name__)
            return False
        return True

    def close(self) -> None:
        if self._app is not None and self._pid == os.getpid():
            self._app.close()
        self._app, self._pid = None, 0


def _publish(app: Celery, task: str, arguments: tuple[str, ...], queue_name: str) -> None:
    """As `send_task`, but without Celery's signals: a web app's own handlers would hear them."""
    headers, properties, body, _ = app.amqp.as_task_v2(
        str(uuid.uuid4()), task, args=arguments, ignore_result=True
    )
    queue = app.amqp.queues[queue_name]
    with app.producer_or_acquire() as producer:
        producer.publish(
            body,
            exchange="",
            routing_key=queue.name,
            serializer="json",
            retry=False,
            declare=[queue],
            headers=headers,
            **properties,
        )


def _publisher(broker_url: str) -> Celery:
    from celery import Celery  # noqa: PLC0415 - a third of a second that most commands need not wait for

    app = Celery("cmqueue", broker=broker_url, set_as_current=False)
    app.conf.update(
        broker_transport_options=transport_options(0.25),
        broker_connection_timeout=0.25,
        broker_connection_retry=False,
        broker_pool_limit=4,
        task_ignore_result=True,
        task_send_sent_event=False,
        task_serializer="json",
    )
    return app
