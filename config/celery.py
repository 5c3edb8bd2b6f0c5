"""Celery's configuration, and why each line is as it is."""

from __future__ import annotations

from typing import Any

from kombu.entity import Exchange, Queue

from cmqueue.lane import Lane
from cmqueue.wakeup import TASK, transport_options
from config.settings import WorkerSettings


def _queue(lane: Lane) -> Queue:
    return Queue(lane.value, Exchange(lane.value), routing_key=lane.value)  # type: ignore[no-untyped-call]  # kombu's


def configuration(settings: WorkerSettings) -> dict[str, Any]:
    """The Celery settings of the worker."""
    return {
        "broker_url": settings.broker,
        "broker_transport_options": transport_options(5.0) | {"health_check_interval": 10},
        # The broker may be away at the start as well as later.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A worker with these off, or a multiplier of 1, never consumed again after a Redis restart.
        "worker_enable_remote_control": True,
        "worker_prefetch_multiplier": 2,
        # Drains wait for the network; gevent's patched pool made duplicates.
        "worker_pool": "threads",
        "worker_concurrency": 8,
        # An exchange each: of one exchange and key, every queue would get every wake-up.
        "task_queues": [_queue(lane) for lane in Lane],
        "task_default_queue": Lane.NORMAL.value,
        "task_create_missing_queues": True,
        # A wake-up carries nothing: losing one costs a second, keeping its result costs Redis.
        "task_ignore_result": True,
        "task_acks_late": False,
        "task_store_errors_even_if_ignored": False,
        "task_routes": {TASK: {"queue": Lane.NORMAL.value}},
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }
