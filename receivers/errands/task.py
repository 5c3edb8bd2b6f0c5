"""The Celery task of the errands, and how they start and end with a worker process that consumes their queue.

Named by Celery's `imports` (config/celery.py): `worker` imports nothing of this, nor this of `worker`. They
meet by Celery's signals.
"""

from __future__ import annotations

import sys
from typing import Any

from celery import shared_task
from celery.signals import celeryd_after_setup, worker_init, worker_shutdown, worker_shutting_down

from cmqueue.errors import SettingsError
from cmqueue.outbox import Outbox
from cmqueue.wakeup import ERRAND, ERRANDS
from config.celery import ERRAND_THREADS
from config.errands import ErrandSettings
from receivers.errands.lookout import Lookout
from receivers.errands.office import Office
from receivers.errands.roster import roster
from receivers.log import log


class _Process:
    """What this process has of the way back: nothing where it does not consume the errands' queue."""

    office: Office | None = None
    lookout: Lookout | None = None


def _consumed(worker: Any) -> bool:
    return ERRANDS in worker.app.amqp.queues.consume_from


@worker_init.connect(weak=False)  # type: ignore[untyped-decorator]  # Celery has no types
def _check(sender: Any, **_: Any) -> None:
    """On a wrong setting the process ends with a line that names the variable."""
    if _consumed(sender):
        try:
            ErrandSettings.from_env()
        except SettingsError as error:
            sys.exit(f"cmqueue worker: {error}")


@celeryd_after_setup.connect(weak=False)  # type: ignore[untyped-decorator]
def _start(instance: Any, **_: Any) -> None:
    """Before the broker is there, which may be away for long."""
    if not _consumed(instance):
        return
    settings = ErrandSettings.from_env()
    outbox = Outbox(settings)
    try:
        errands = roster(settings, outbox)
    except SettingsError as error:
        sys.exit(f"cmqueue worker: {error}")
    office = Office(outbox, errands, ERRAND_THREADS)
    instance.app.at_work.append(lambda: office.at_work)
    _Process.office, _Process.lookout = office, Lookout(outbox, office)
    _Process.lookout.start()
    log.info("errands.started", errands=list(office.errands))


@worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator]
def _stop(**_: Any) -> None:
    """Errands end between two units of work."""
    if _Process.office is not None:
        _Process.office.stopping.set()


@worker_shutdown.connect(weak=False)  # type: ignore[untyped-decorator]
def _end(**_: Any) -> None:
    if _Process.lookout is not None:
        _Process.lookout.stop()


@shared_task(name=ERRAND, ignore_result=True)  # type: ignore[untyped-decorator]
def errand(name: str) -> None:
    """Run the errand `name` while it has work: the wake-up. It carries nothing else."""
    if _Process.office is not None:
        _Process.office.serve(name)
