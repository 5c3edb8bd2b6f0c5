"""The calls of one endpoint in this process: taken from the streams of events, posted, settled."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple, assert_never

from cmqueue.errors import OutboxUnavailable
from cmqueue.events.calls import Call, Calls, Verdict
from cmqueue.events.event import Event
from cmqueue.events.subscription import Subscription
from cmqueue.outbox import Outbox
from config.callbacks import Endpoint
from receivers.callbacks import payload
from receivers.callbacks.post import TOTAL_SECONDS, Poster
from receivers.callbacks.schedule import Dead, Done, Off, Retry, decide, doubling
from receivers.log import log

#: Threads of one process that post to one endpoint: a slow one holds up itself alone.
THREADS = 4
TAKEN = 8  #: calls at once by one thread
LEASE_SECONDS = 30.0
#: Entries of the streams that are read at once; each has up to 1000 events, and each of these becomes a call.
ENTRIES = 4
REST_SECONDS = 10.0


class Manner(NamedTuple):
    """How failures are treated: waits before a call's next try, and pauses of the endpoint, in seconds."""

    schedule: Sequence[float]
    pause_after: int = 5  #: failures in a row
    pauses: Sequence[float] = tuple(doubling(30.0, 3600.0))


class Line:
    """The way to one endpoint. `start` may be called from any thread."""

    def __init__(self, endpoint: Endpoint, outbox: Outbox, poster: Poster, manner: Manner) -> None:
        self.endpoint = endpoint
        self.calls = Calls(outbox, endpoint.target)
        self._subscription = Subscription(outbox, endpoint.target, types=endpoint.types)
        self._poster = poster
        self._manner = manner
        self._reading = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._chance = random.SystemRandom()
        self._rests_until = 0.0

    @property
    def busy(self) -> bool:
        """Whether any thread of it is at work."""
        return any(thread.is_alive() for thread in self._threads)

    @property
    def resting(self) -> bool:
        """Whether so many calls wait for a retry that nothing new is read for a while."""
        return time.monotonic() < self._rests_until

    def open(self) -> None:
        """Have the events of all partitions kept for it, from now on. Raises OutboxUnavailable."""
        with self._reading:
            self._subscription.open()

    def start(self, end: float, stopping: threading.Event) -> None:
        """Post in one more thread until `end`, of the monotonic clock; in none where there are enough."""
        with self._lock:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if len(self._threads) < THREADS and not stopping.is_set():
                thread = threading.Thread(
                    target=self._work, args=(end, stopping), name="cmqueue-callback", daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the posts in flight."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _work(self, end: float, stopping: threading.Event) -> None:
        delivered = 0
        try:
            while time.monotonic() < end and not stopping.is_set():
                began = time.monotonic()
                calls = self.calls.take(TAKEN, LEASE_SECONDS)
                if calls is None or (not calls and not self._read()):
                    return
                if calls and len(calls) == TAKEN:
                    self.start(end, stopping)
                delivered += self._post_all(calls, began, end, stopping)
        except OutboxUnavailable as error:
            log.warning("errand.interrupted", errand="callbacks", problem=error.problem)
        except Exception:  # noqa: BLE001 - threading would print the error, which may hold what it choked on
            log.exception("errand.failed", errand="callbacks")
        finally:
            self._poster.close()
            if delivered:
                log.info("callbacks.delivered", endpoint=self.endpoint.name, count=delivered)

    def _read(self) -> bool:
        """Make calls of what is new in the streams; whether there was anything."""
        with self._reading:
            page = self._subscription.read(ENTRIES)
            for at, delivered in enumerate(page):
                wanted = [event for event in delivered.events if self._concerns(event)]
                if self.calls.park([(event, 0.0, 0) for event in wanted]):
                    # Too many wait for a retry. The streams are the smaller place to wait in.
                    log.error("endpoint.overfull", endpoint=self.endpoint.name)
                    self._rests_until = time.monotonic() + REST_SECONDS
                    self._subscription.give_back(page[at:])
                    return False
                self._subscription.done([delivered])
            return bool(page)

    def _concerns(self, event: Event) -> bool:
        return self.endpoint.account in (None, event.account)

    def _post_all(self, calls: Sequence[Call], began: float, end: float, stopping: threading.Event) -> int:
        """How many arrived; what is not begun in time is given back."""
        delivered = 0
        for call in calls:
            now = time.monotonic()
            # None is begun that its lease may not outlast.
            late = now - began > LEASE_SECONDS - TOTAL_SECONDS - 5.0
            if late or now > end or stopping.is_set():
                self.calls.settle(call, Verdict.BACK)
            else:
                delivered += self._post(call)
        return delivered

    def _post(self, call: Call) -> bool:
        """Post once, and write down what came of it; whether it arrived."""
        event, endpoint = call.event, self.endpoint
        content = payload.body(event)
        began = time.monotonic()
        answer = self._poster.post(
            endpoint.url, content, payload.headers(event.id, endpoint.secrets, content, time.time())
        )
        told = log.bind(
            endpoint=endpoint.name,
            event_id=event.id,
            id=event.message,
            type=event.type,
            attempt=call.failures + 1,
            ms=round((time.monotonic() - began) * 1000),
        )
        outcome = decide(answer, call.failures, self._manner.schedule, self._chance.random())
        match outcome:
            case Done():
                told.debug("callback.delivered")
                self.calls.settle(call, Verdict.DONE)
                return True
            case Retry(delay, why):
                told.warning("callback.failed", why=why, retry_after=round(delay, 1))
                self._failed(call, Verdict.RETRY, why, delay)
            case Dead(why):
                told.error("callback.dead", why=why)
                self._failed(call, Verdict.DEAD, why)
            case Off(why):
                log.error("endpoint.disabled", endpoint=endpoint.name, why=why)
                self.calls.settle(call, Verdict.OFF, delay=self._manner.schedule[0], why=why)
            case unknown:
                assert_never(unknown)
        return False

    def _failed(self, call: Call, verdict: Verdict, why: str, delay: float = 0.0) -> None:
        spread = self._chance.uniform(0.8, 1.2)
        settled = self.calls.settle(
            call,
            verdict,
            delay=delay,
            why=why,
            pause_after=self._manner.pause_after,
            pauses=[pause * spread for pause in self._manner.pauses],
        )
        if settled.pause:
            seconds = round(settled.pause, 1)
            log.error("endpoint.paused", endpoint=self.endpoint.name, seconds=seconds, why=why)
