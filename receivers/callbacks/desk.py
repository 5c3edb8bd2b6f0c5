"""The calls of one handler in this process: new events at once, and what failed again by a schedule."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from typing import assert_never

from cmqueue.events.calls import Call, Calls, Verdict
from cmqueue.events.event import Event
from cmqueue.events.handlers import Handler
from cmqueue.events.subscription import Subscription
from cmqueue.outbox import Outbox
from receivers.callbacks.schedule import Dead, Retry, after_failure, doubling
from receivers.log import log

#: A call that takes longer may be made again elsewhere meanwhile.
LEASE_SECONDS = 60.0
SLOW_SECONDS = 5.0
TAKEN = 20
#: Entries of the streams that are read at once; each has up to 1000 events.
ENTRIES = 2
#: Beyond its time a run goes on for so many seconds with what it has read: that is cheaper than to keep it.
GRACE = 1.0
REST_SECONDS = 10.0
#: Failures in a row after which a handler is paused; one that took seconds counts for as many more.
PAUSE_AFTER = 5
PAUSES = tuple(doubling(5.0, 600.0))


class Desk:
    """One handler. Not to be shared between threads."""

    def __init__(self, handler: Handler, outbox: Outbox, schedule: Sequence[float]) -> None:
        self.handler = handler
        self.calls = Calls(outbox, handler.target)
        self.subscription = Subscription(
            outbox, handler.target, types=handler.types, take_over_seconds=LEASE_SECONDS
        )
        self._schedule = schedule
        self._chance = random.SystemRandom()
        self._strikes = 0
        self._rests_until = 0.0
        self._troubled = False  #: paused, and not yet called with success since

    @property
    def resting(self) -> bool:
        """Whether so many calls wait for a retry that nothing new is read for a while."""
        return time.monotonic() < self._rests_until

    def run(self, end: float, stopping: threading.Event) -> None:
        """Call the handler until nothing waits or `end` has come, of the monotonic clock."""
        while time.monotonic() < end and not stopping.is_set():
            again = self.calls.take(TAKEN, LEASE_SECONDS)
            if again is None:
                return
            self._call_again(again, end, stopping)
            if again and again[0].probe:
                return  # it may be paused again
            if not self._call_new(end, stopping) and not again:
                return

    def _call_again(self, calls: Sequence[Call], end: float, stopping: threading.Event) -> None:
        """Call for what waited."""
        taken_at = time.monotonic()
        for at, call in enumerate(calls):
            now = time.monotonic()
            if at and (now > end or now - taken_at > LEASE_SECONDS / 2 or stopping.is_set()):
                self.calls.settle(call, Verdict.BACK)
                continue
            why = self._call(call.event, call.failures + 1)
            if not why:
                self.calls.settle(call, Verdict.DONE)
                continue
            verdict, delay = self._fate(call.event, call.failures, why)
            settled = self.calls.settle(
                call,
                verdict,
                delay=delay,
                why=why,
                pause_after=max(1, PAUSE_AFTER - int(time.monotonic() - now)),
                pauses=PAUSES,
            )
            if settled.pause:
                self._paused(settled.pause, why)

    def _call_new(self, end: float, stopping: threading.Event) -> bool:
        """Call for events that are new; whether there were any.

        What is left of them at the end of the run, or when the handler is paused, becomes calls that wait.
        """
        page = self.subscription.read(ENTRIES)
        kept: list[tuple[Event, float, int]] = []
        paused = ""
        for delivered in page:
            for event in delivered.events:
                if paused or time.monotonic() > end + GRACE or stopping.is_set():
                    kept.append((event, 0.0, 0))
                elif why := self._call(event, 1):
                    kept.append((event, self._fate(event, 0, why)[1], 1))
                    paused = why if self._strikes >= PAUSE_AFTER else ""
                self.subscription.keep(page)
        if paused:
            self._strikes = 0
            self._paused(self.calls.pause(PAUSE_AFTER, PAUSES), paused)
        elif self._troubled and page and not self._strikes:
            self._troubled = False
            self.calls.resume()
        if self.calls.park(kept):
            # Too many wait for a retry. The streams are the smaller place to wait in.
            log.error("handler.overfull", handler=self.handler.name)
            self._rests_until = time.monotonic() + REST_SECONDS
            self.subscription.give_back(page)
            return False
        self.subscription.done(page)
        return bool(page)

    def _call(self, event: Event, attempt: int) -> str:
        """Call once; the name of the error's class, empty when it went well."""
        began = time.monotonic()
        why = ""
        try:
            self.handler.call(event)
        except BaseException as error:  # noqa: BLE001 - of the app's, of any kind, an exit too
            why = type(error).__name__
        seconds = time.monotonic() - began
        name = self.handler.name
        if seconds > SLOW_SECONDS:
            log.warning("handler.slow", handler=name, event_id=event.id, seconds=round(seconds, 1))
        self._strikes = self._strikes + 1 + int(seconds) if why else 0
        log.debug("handler.called", handler=name, event_id=event.id, attempt=attempt, why=why or None)
        return why

    def _fate(self, event: Event, failures: int, why: str) -> tuple[Verdict, float]:
        """Whether the handler is called again for an event that it raised at, and when; the log tells."""
        told = log.bind(handler=self.handler.name, event_id=event.id, type=event.type, attempt=failures + 1)
        outcome = after_failure(failures, self._schedule, self._chance.random(), why)
        match outcome:
            case Retry(delay):
                told.warning("handler.failed", why=why, retry_after=round(delay, 1))
                return Verdict.RETRY, delay
            case Dead():
                told.error("handler.dead", why=why)
                return Verdict.DEAD, 0.0
            case unknown:
                assert_never(unknown)

    def _paused(self, seconds: float, why: str) -> None:
        self._troubled = True
        log.error("handler.paused", handler=self.handler.name, seconds=round(seconds, 1), why=why)
