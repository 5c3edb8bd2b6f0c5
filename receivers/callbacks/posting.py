"""The errand `callbacks`: posts events to the app's endpoints, each by threads of its own."""

from __future__ import annotations

import threading
import time

from cmqueue.errors import SettingsError
from cmqueue.events.backlog import ready
from cmqueue.outbox import Outbox
from config.errands import ErrandSettings
from receivers.callbacks.endpoint import Line, Manner
from receivers.callbacks.post import TOTAL_SECONDS, Poster

#: A run makes room for other errands after so many seconds.
RUN_SECONDS = 1.0
_GLANCE = 0.01


class Posting:
    """All endpoints of this process."""

    name = "callbacks"

    def __init__(self, lines: list[Line], outbox: Outbox) -> None:
        self._outbox = outbox
        self._lines = {line.endpoint.target: line for line in lines}

    @classmethod
    def of(cls, settings: ErrandSettings, outbox: Outbox) -> Posting | None:
        """The errand that the settings ask for; None where they name no endpoint. Raises SettingsError."""
        if not settings.callbacks:
            return None
        try:
            poster = Poster(settings.callback_private or ())
        except OSError as error:
            raise SettingsError(
                "REQUESTS_CA_BUNDLE or SSL_CERT_FILE", f"can't be read ({type(error).__name__})"
            ) from None
        manner = Manner(settings.callback_schedule)
        return cls([Line(endpoint, outbox, poster, manner) for endpoint in settings.callbacks], outbox)

    def waiting(self) -> bool:
        """Whether any endpoint that is not held has a call that is due, or events that were not read."""
        for line in self._lines.values():
            line.open()
        return bool(self._ready())

    def _ready(self) -> list[Line]:
        awake = [target for target, line in self._lines.items() if not line.resting]
        return [self._lines[target] for target in ready(self._outbox, awake)]

    def run(self, stopping: threading.Event) -> None:
        """Post for a second or so. Threads in a slow post go on behind it, and count in the next run."""
        end = time.monotonic() + RUN_SECONDS
        started = self._ready()
        for line in started:
            line.start(end, stopping)
        while any(line.busy for line in started) and time.monotonic() < end:
            if stopping.wait(_GLANCE):
                break
        if stopping.is_set():
            last = time.monotonic() + TOTAL_SECONDS
            for line in self._lines.values():
                line.join(last - time.monotonic())
