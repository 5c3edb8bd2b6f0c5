"""Celery's configuration, and why each line is as it is."""

from __future__ import annotations

from typing import Any

from kombu.entity import Exchange, Queue

from cmqueue.lane import Lane
from cmqueue.wakeup import ERRAND, ERRANDS, TASK, transport_options
from config.settings import WorkerSettings

#: Threads that drains may take, one of them kept for what is urgent.
DRAIN_THREADS = 8
#: And that errands may take, in a worker that runs any: the way back keeps no urgent message waiting, and a
#: bulk no receipts.
ERRAND_THREADS = 3


def drain_threads(pool: int, *, errands: bool) -> int:
    """How many threads of a pool of `pool` drains may take, where the worker runs errands or none."""
    return max(pool - ERRAND_THREADS, 1) if errands else pool


def _queue(name: str) -> Queue:
    return Queue(name, Exchange(name), routing_key=name)  # type: ignore[no-untyped-call]  # kombu's


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
        "worker_concurrency": DRAIN_THREADS + ERRAND_THREADS,
        # An exchange each: of one exchange and key, every queue would get every wake-up.
        "task_queues": [_queue(name) for name in (*Lane, ERRANDS)],
        # The way back runs in this process too. By its name alone: the programs know nothing of each other.
        "imports": ["receivers.errands.task"],
        "task_default_queue": Lane.NORMAL.value,
        "task_create_missing_queues": True,
        # A wake-up carries nothing: losing one costs a second, keeping its result costs Redis.
        "task_ignore_result": True,
        "task_acks_late": False,
        "task_store_errors_even_if_ignored": False,
        "task_routes": {TASK: {"queue": Lane.NORMAL.value}, ERRAND: {"queue": ERRANDS}},
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }
