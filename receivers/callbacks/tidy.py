"""The errand `events`: cuts the streams of events to what somebody still needs."""

from __future__ import annotations

import random
import threading
import time

from cmqueue.events.trimming import trim
from cmqueue.outbox import Outbox
from config.errands import ErrandSettings

EVERY = 30.0
#: Held while somebody has done it a moment ago.
TOKEN = "cmq:events:trimmed"  # noqa: S105 - a key's name


class Tidy:
    """Twice a minute in all processes together, and whether there are subscribers or not."""

    name = "events"

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._next = time.monotonic() + EVERY * random.random()

    @classmethod
    def of(cls, _settings: ErrandSettings, outbox: Outbox) -> Tidy:
        return cls(outbox)

    def waiting(self) -> bool:
        """Whether it is time."""
        if time.monotonic() < self._next:
            return False
        scripts = self._outbox.scripts
        if scripts.guarded(lambda: scripts.client.exists(TOKEN)):
            self._next = time.monotonic() + EVERY * random.random()
            return False
        return True

    def run(self, stopping: threading.Event) -> None:  # noqa: ARG002 - it is short
        scripts = self._outbox.scripts
        scripts.guarded(lambda: scripts.client.set(TOKEN, b"1", px=round(EVERY * 1000)))
        self._next = time.monotonic() + EVERY
        trim(self._outbox)
