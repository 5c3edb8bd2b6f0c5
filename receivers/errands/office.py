"""The office: which errands run in this process, by whom, and which wait for a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from cmqueue import errand_token
from cmqueue.errors import OutboxUnavailable
from cmqueue.outbox import Outbox
from receivers.errand import Errand
from receivers.log import log

#: Seconds for which an errand that raised is not begun again by this process. One that fails always must not
#: fill the log, nor keep a thread from the others.
REST = 5.0


class Office:
    """Runs errands in its callers' threads: each at most once at a time, `seats` of them at once.

    A wake-up that finds its errand running, or no seat, is not lost: whoever has a seat runs it before
    leaving. Calls may come from any thread.
    """

    def __init__(self, outbox: Outbox, errands: Sequence[Errand], seats: int) -> None:
        self.errands = {errand.name: errand for errand in errands}
        self.stopping = threading.Event()
        self._outbox = outbox
        self._seats = self._free = seats
        self._wanted: dict[str, None] = {}  # in the order of their wake-ups
        self._running: set[str] = set()
        self._resting: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def at_work(self) -> bool:
        """Whether any errand runs."""
        return self._free < self._seats

    def idle(self, name: str) -> bool:
        """Whether the errand neither runs here, nor is about to, nor rests."""
        with self._lock:
            busy = name in self._running or name in self._wanted
            return not busy and self._resting.get(name, 0.0) <= time.monotonic()

    def rest(self, name: str) -> None:
        """Leave an errand that failed alone for a while."""
        self._resting[name] = time.monotonic() + REST

    def serve(self, name: str) -> None:
        """Serve a wake-up for the errand `name`, in the calling thread. Raises nothing of the errand's."""
        if name not in self.errands:
            log.error("errand.unknown", errand=name)  # of another version, perhaps
            return
        with self._lock:
            self._wanted[name] = None
            if self._free == 0:
                return
            self._free -= 1
        running = self._next("")
        try:
            while running:
                self._run(self.errands[running])
                running = self._next(running)
        except BaseException:
            with self._lock:
                self._leave(running)
            raise

    def _next(self, done: str) -> str:
        """What is wanted and neither runs nor rests; after the last the seat is given back, at once."""
        with self._lock:
            self._running.discard(done)
            now = time.monotonic()
            for resting in [name for name in self._wanted if self._resting.get(name, 0.0) > now]:
                del self._wanted[resting]  # the lookout finds its work after that
            name = next((name for name in self._wanted if name not in self._running), "")
            if not name or self.stopping.is_set():
                self._leave(done)
                return ""
            del self._wanted[name]
            self._running.add(name)
            return name

    def _leave(self, done: str) -> None:
        self._running.discard(done)
        self._free += 1

    def _run(self, errand: Errand) -> None:
        try:
            errand_token.begin(self._outbox.scripts, errand.name)  # first, so that no wake-up is lost
            errand.run(self.stopping)
            if not self.stopping.is_set() and errand.waiting():
                self._outbox.wake_errand(errand.name)
        except OutboxUnavailable as error:
            self.rest(errand.name)
            log.warning("errand.interrupted", errand=errand.name, problem=error.problem)
        except Exception:  # noqa: BLE001 - Celery would log the repr of the error, which may hold what it choked on
            self.rest(errand.name)
            log.exception("errand.failed", errand=errand.name)
