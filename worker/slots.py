"""Slots: how many threads may serve which lanes, so that one is always free for what is urgent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """So many permits to serve partitions.

    A wake-up that finds none is not lost: whoever holds a permit serves that partition before giving it back.
    """

    def __init__(self, permits: int) -> None:
        self._free = permits
        self._missed: set[str] = set()
        self._lock = threading.Lock()

    @property
    def free(self) -> bool:
        """Whether there is a permit to take."""
        return self._free > 0

    @property
    def wanted(self) -> bool:
        """Whether a wake-up found no permit, and waits for one to be given back."""
        return bool(self._missed)

    def take(self, partition: str) -> bool:
        """Take a permit to serve `partition`; where there is none, leave word for those who hold one."""
        with self._lock:
            if self._free == 0:
                self._missed.add(partition)
                return False
            self._free -= 1
            return True

    @contextmanager
    def held(self, partition: str) -> Iterator[Iterator[str]]:
        """While a permit is held: the partitions to serve, `partition` first, then those that were missed."""
        given_back = False

        def work() -> Iterator[str]:
            nonlocal given_back
            following = partition
            while True:
                yield following
                with self._lock:
                    if not self._missed:
                        self._free += 1
                        given_back = True
                        return
                    following = self._missed.pop()

        try:
            yield work()
        finally:
            if not given_back:
                with self._lock:
                    self._free += 1
