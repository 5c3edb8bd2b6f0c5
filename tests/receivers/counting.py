"""Errands for tests: work is a list in Redis, what was done another. A worker takes them by `-I counting`."""

from __future__ import annotations

import threading

from cmqueue.outbox import Outbox
from config.errands import ErrandSettings
from receivers.errands.roster import BUILDERS

DONE = "test:done"
SECRET = "+31600000001 is what no log line shows"


class Counting:
    """Does the items of a list, in their order, each at least once: a number is the seconds that it takes."""

    def __init__(self, outbox: Outbox, name: str, *, tells: bool = True) -> None:
        self.name = name
        self._redis = outbox.scripts.client
        self._guarded = outbox.scripts.guarded
        self._tells = tells

    def waiting(self) -> bool:
        return self._tells and bool(self._guarded(lambda: self._redis.llen(f"test:{self.name}")))

    def run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            item = self._guarded(lambda: self._redis.lindex(f"test:{self.name}", 0))
            if item is None:
                return
            if item == b"raise":
                raise ValueError(SECRET)
            self._guarded(lambda: self._redis.incr("test:begun"))
            threading.Event().wait(float(item))
            pipe = self._redis.pipeline()
            pipe.lpop(f"test:{self.name}")
            pipe.rpush(DONE, f"{self.name} {item.decode()}")
            self._guarded(pipe.execute)


def _named(name: str, *, tells: bool = True) -> None:
    def build(_: ErrandSettings, outbox: Outbox) -> Counting:
        return Counting(outbox, name, tells=tells)

    BUILDERS.append(build)


_named("first")
_named("second")
_named("silent", tells=False)  # only a wake-up makes it run
