"""The errand `handlers`: calls the app's handlers with the events that they ask for."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Sequence

from cmqueue.errors import CmqueueError, SettingsError
from cmqueue.events.backlog import ready
from cmqueue.events.handlers import Handler, on
from cmqueue.outbox import Outbox
from config.errands import ErrandSettings
from receivers.callbacks.desk import Desk

#: A run makes room for other errands after so many seconds.
RUN_SECONDS = 1.0


class Handling:
    """All handlers of this process. Each has its own place in the streams, and its share of the time."""

    name = "handlers"

    def __init__(self, handlers: Sequence[Handler], outbox: Outbox, schedule: Sequence[float]) -> None:
        self._outbox = outbox
        self._desks = {handler.target: Desk(handler, outbox, schedule) for handler in handlers}
        self._opening = threading.Lock()

    @classmethod
    def of(cls, settings: ErrandSettings, outbox: Outbox) -> Handling | None:
        """The errand that the settings ask for; None where no module is named. Raises SettingsError."""
        if not settings.handlers:
            return None
        for module in settings.handlers:
            try:
                importlib.import_module(module)
            except CmqueueError:
                raise
            except Exception as error:  # noqa: BLE001 - a module of the app's may raise anything
                raise SettingsError(
                    "CMQUEUE_HANDLERS", f"{module} can't be imported ({type(error).__name__})"
                ) from None
        if not on.all:
            raise SettingsError("CMQUEUE_HANDLERS", "there is no handler in these modules; register with @on")
        return cls(on.all, outbox, settings.handler_schedule)

    def waiting(self) -> bool:
        """Whether any handler that is not paused has a call that is due, or events that were not read."""
        if self._opening.acquire(blocking=False):  # a run opens them too
            try:
                for desk in self._desks.values():
                    desk.subscription.open()
            finally:
                self._opening.release()
        return bool(self._ready())

    def _ready(self) -> list[Desk]:
        awake = [target for target, desk in self._desks.items() if not desk.resting]
        return [self._desks[target] for target in ready(self._outbox, awake)]

    def run(self, stopping: threading.Event) -> None:
        """Call handlers for a second or so, each for its share; one that takes long holds up this process."""
        with self._opening:
            end = time.monotonic() + RUN_SECONDS
            while time.monotonic() < end and not stopping.is_set():
                busy = self._ready()
                if not busy:
                    return
                for desk in busy:
                    share = (end - time.monotonic()) / len(busy)
                    desk.run(time.monotonic() + max(share, 0.05), stopping)
