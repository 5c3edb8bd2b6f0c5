"""The Celery application: `celery -A worker worker`. Here, and nowhere else, Celery meets the worker."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from typing import Any

import structlog
from celery import Celery, bootsteps
from celery.signals import celeryd_init, setup_logging, worker_init, worker_shutting_down

from cmqueue.errors import CmqueueError, OutboxUnavailable, SettingsError
from cmqueue.lane import Lane
from cmqueue.outbox import Outbox
from cmqueue.wakeup import ERRANDS, TASK
from config.celery import configuration, drain_threads
from config.logging import configure
from config.settings import WorkerSettings
from worker import broker, failpoint
from worker.drain import Drain
from worker.gateway import endpoint_url
from worker.sweeper import Sweeper

log = structlog.get_logger("cmqueue.worker")

#: What Celery may take to end after the last batch is done.
CELERYS_SECONDS = 4.0


def _settings() -> WorkerSettings:
    """The settings; on a wrong one the process ends with a line that names the variable."""
    try:
        failpoint.arm(os.environ)
        return WorkerSettings.from_env()
    except SettingsError as error:
        sys.exit(f"cmqueue worker: {error}")


settings = _settings()
broker.endure()
app = Celery("worker", set_as_current=False)
app.conf.update(configuration(settings))


@setup_logging.connect(weak=False)  # type: ignore[untyped-decorator]  # Celery has no types
def _one_stream(**_: Any) -> None:
    configure(level=settings.log_level, console=settings.console)


@celeryd_init.connect(weak=False)  # type: ignore[untyped-decorator]
def _no_banner(instance: Any, **_: Any) -> None:
    """Standard output is a stream of structured lines."""
    instance.quiet = True


@worker_init.connect(weak=False)  # type: ignore[untyped-decorator]
def _check(**_: Any) -> None:
    """Refuse to start on what would lose or double messages."""
    try:
        endpoint_url(settings.demand_tokens().endpoint)
        outbox = Outbox(settings)
        policy = eviction_policy(outbox)
        if policy not in (None, "noeviction"):
            raise SettingsError(
                "CMQUEUE_REDIS_URL",
                f"that Redis evicts keys (maxmemory-policy {policy}), so messages are lost; set noeviction",
            )
        outbox.registry.agree()
    except OutboxUnavailable as error:
        log.warning("redis.unreachable", problem=error.problem)  # it may come: the sweeper goes on asking
    except CmqueueError as error:
        sys.exit(f"cmqueue worker: {error}")


def eviction_policy(outbox: Outbox) -> str | None:
    """Redis's maxmemory-policy; None where a managed Redis does not tell."""
    try:
        return str(outbox.redis_setting("maxmemory-policy"))
    except OutboxUnavailable:
        return None


class DeliveryStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Builds the drain when the pool is there, and runs the sweeper as long as the worker runs."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self.sweeper: Sweeper | None = None
        unknown = set(app.amqp.queues.consume_from) - {*Lane, ERRANDS}
        if unknown:
            sys.exit(
                f"cmqueue worker: -Q: no lane is called {', '.join(sorted(unknown))}; the lanes are "
                f"{', '.join(Lane)}, and {ERRANDS} is the queue of the way back"
            )

    def start(self, worker: Any) -> None:
        consumed = app.amqp.queues.consume_from
        served = [lane for lane in Lane if lane.value in consumed]
        threads = drain_threads(worker.concurrency, errands=ERRANDS in consumed)
        drain = Drain(Outbox(settings), settings, served, threads)
        app.drain = drain
        self.sweeper = Sweeper(drain, settings)
        # A request makes some thousands of objects, for which Python would look through all that was
        # imported, again and again: a tenth of a drain's time. What stands here stays anyhow.
        gc.collect()
        gc.freeze()
        self.sweeper.start()
        if settings.body_token:
            log.warning(
                "setting.deprecated", variable="CMQUEUE_BODY_TOKEN", why="the token travels in the body too"
            )
        log.info("worker.started", lanes=[lane.value for lane in served], threads=threads)

    def stop(self, _worker: Any) -> None:
        if self.sweeper is not None:
            self.sweeper.stop()


app.steps["worker"].add(DeliveryStep)


@worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator]
def _stop(**_: Any) -> None:
    """No new POST starts; what is in flight is recorded, then Celery's warm shutdown goes on."""
    if app.drain is not None:
        app.drain.stopping.set()
        threading.Thread(target=_end, args=(app.drain,), name="cmqueue-end", daemon=True).start()


def _end(drain: Drain) -> None:
    """End the process where Celery does not, once nothing is in hand: nothing can be lost by it then.

    While Celery tells its broker of itself, and that is away, it connects for ever, deaf to signals.
    """
    while drain.serving or any(at_work() for at_work in app.at_work):
        time.sleep(0.1)
    time.sleep(CELERYS_SECONDS)
    log.warning("worker.ended", why=f"Celery did not end within {CELERYS_SECONDS:g} s of the last batch")
    os._exit(0)


app.drain = None
#: Whether anything beside the drain is at work: calls added by what Celery's `imports` names.
app.at_work = []


@app.task(name=TASK, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no types
def drain(lane: str, partition: str) -> None:
    """Drain `lane` of a partition: the wake-up. It carries no message."""
    try:
        app.drain.wake(Lane(lane), partition)
    except OutboxUnavailable as error:
        log.warning("drain.interrupted", lane=lane, partition=partition, problem=error.problem)
    except Exception:  # Celery would log the repr of the error, which may hold what it choked on
        log.exception("drain.failed", lane=lane, partition=partition)
