"""The errand `handlers`: calls the app's handlers with the events that they ask for.

An event that is new is called for at once; what fails is kept for a later call, apart from all others. A
handler that fails again and again is paused, and what comes for it meanwhile is kept too.
"""

from __future__ import annotations

import importlib
import random
import threading
import time
from collections import defaultdict
from collections.abc import Sequence

from cmqueue.backlog import behind
from cmqueue.calls import Calls, Verdict, readiness
from cmqueue.errors import CmqueueError, SettingsError
from cmqueue.event import Event
from cmqueue.handlers import Handler, on
from cmqueue.outbox import Outbox
from cmqueue.subscription import Delivered, Subscription
from config.errands import ErrandSettings
from receivers.callbacks.schedule import Retry, after_failure, doubling
from receivers.log import log

GROUP = "handlers"
RUN_SECONDS = 1.0
LEASE_SECONDS = 60.0
SLOW_SECONDS = 5.0
TAKEN = 20
ENTRIES = 20
#: Failures in a row, a second that one took counted as one more, after which a handler is paused.
PAUSE_AFTER = 5
PAUSES = tuple(doubling(5.0, 600.0))
#: Seconds that a handler rests in this process after as many failures with events that are new.
REST = 5.0


class _Desk:
    """One handler in this process."""

    def __init__(self, handler: Handler, outbox: Outbox) -> None:
        self.handler = handler
        self.calls = Calls(outbox, handler.target)
        self.held = False
        self.kept: list[tuple[Event, float, int]] = []  #: to be called later
        self._strikes = 0
        self._rests_until = 0.0

    @property
    def open(self) -> bool:
        """Whether it may be called now with an event that is new."""
        return not self.held and time.monotonic() >= self._rests_until

    def call(self, event: Event, attempt: int) -> str:
        """Call it once; the name of the error's class, empty when it went well."""
        began = time.monotonic()
        why = ""
        try:
            self.handler.call(event)
        except Exception as error:  # noqa: BLE001 - of the app's, of any kind
            why = type(error).__name__
        seconds = time.monotonic() - began
        if seconds > SLOW_SECONDS:
            name = self.handler.name
            log.warning("handler.slow", handler=name, event_id=event.id, seconds=round(seconds, 1))
        if why:
            self._strikes += 1 + int(seconds)
            if self._strikes >= PAUSE_AFTER:
                self._rests_until = time.monotonic() + REST
        else:
            self._strikes = 0
        log.debug("handler.called", handler=self.handler.name, event_id=event.id, attempt=attempt, why=why)
        return why


class Handling:
    """All handlers of this process."""

    name = "handlers"

    def __init__(self, handlers: Sequence[Handler], outbox: Outbox, schedule: Sequence[float]) -> None:
        self._outbox = outbox
        self._schedule = schedule
        self._chance = random.SystemRandom()
        self._desks = {handler.target: _Desk(handler, outbox) for handler in handlers}
        self._of_type: defaultdict[str, list[_Desk]] = defaultdict(list)
        for desk in self._desks.values():
            for type in desk.handler.types:
                self._of_type[type].append(desk)
        self._subscription = Subscription(outbox, GROUP, types=self._of_type)
        self._reading = threading.Lock()

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
        """Whether there are events that were not read, or calls that are due."""
        with self._reading:
            self._subscription.open()
        ready = readiness(self._outbox, list(self._desks))
        return any(one.due and not one.held for one in ready.values()) or bool(behind(self._outbox, [GROUP]))

    def run(self, stopping: threading.Event) -> None:
        """Call handlers for a second or so: what failed before first, for half of the time at most."""
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end and not stopping.is_set():
            ready = readiness(self._outbox, list(self._desks))
            due = []
            for target, desk in self._desks.items():
                desk.held = ready[target].held
                if ready[target].due and not desk.held:
                    due.append(desk)
            for desk in due:
                share = RUN_SECONDS / 2 / len(due)
                self._call_again(desk, time.monotonic() + share, stopping)
            if not self._call_new(end, stopping) and not due:
                return

    def _call_again(self, desk: _Desk, end: float, stopping: threading.Event) -> None:
        """Call a handler for what waits for it."""
        taken_at = time.monotonic()
        for call in desk.calls.take(TAKEN, LEASE_SECONDS) or ():
            late = time.monotonic() - taken_at > LEASE_SECONDS / 2
            if late or time.monotonic() > end or stopping.is_set():
                desk.calls.settle(call, Verdict.BACK)
                continue
            began = time.monotonic()
            why = desk.call(call.event, call.failures + 1)
            if not why:
                desk.calls.settle(call, Verdict.DONE)
                continue
            fate = self._fate(desk, call.event, call.failures, why)
            settled = desk.calls.settle(
                call,
                Verdict.DEAD if fate is None else Verdict.RETRY,
                delay=fate or 0.0,
                why=why,
                pause_after=max(1, PAUSE_AFTER - int(time.monotonic() - began)),
                pauses=PAUSES,
            )
            if settled.pause:
                log.error("handler.paused", handler=desk.handler.name, seconds=settled.pause, why=why)
                desk.held = True

    def _fate(self, desk: _Desk, event: Event, failures: int, why: str) -> float | None:
        """After how many seconds a handler that raised is called again, None for never; the log tells."""
        outcome = after_failure(failures, self._schedule, self._chance.random(), why)
        told = log.bind(handler=desk.handler.name, event_id=event.id, type=event.type, attempt=failures + 1)
        if isinstance(outcome, Retry):
            told.warning("handler.failed", why=why, retry_after=round(outcome.delay, 1))
            return outcome.delay
        told.error("handler.dead", why=why)
        return None

    def _call_new(self, end: float, stopping: threading.Event) -> bool:
        """Call handlers for events that are new; whether there were any.

        What is left of them at the end of the run is kept for the next, in whichever process that is.
        """
        with self._reading:
            page = self._subscription.read(ENTRIES)
            for at, delivered in enumerate(page):
                for event in delivered.events:
                    over = time.monotonic() > end or stopping.is_set()
                    for desk in self._of_type[event.type]:
                        if over or not desk.open:
                            desk.kept.append((event, 0.0 if over else REST, 0))
                        elif why := desk.call(event, 1):
                            delay = self._fate(desk, event, 0, why)
                            desk.kept.append((event, delay or 0.0, 1))
                    self._subscription.keep(page[at:])
            self._finish(page)
            return bool(page)

    def _finish(self, page: list[Delivered]) -> None:
        """Keep what is to be called later; then the entries are done."""
        for desk in self._desks.values():
            kept, desk.kept = desk.kept, []
            refused = desk.calls.park(kept)
            if refused:
                log.error("handler.overfull", handler=desk.handler.name, dropped=len(refused))
        self._subscription.done(page)
