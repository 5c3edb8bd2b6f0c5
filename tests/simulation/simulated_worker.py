"""Worker processes in the world: what `worker.celery` builds, on a broker that loses wake-ups."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from random import Random
from typing import Any

from simulated_redis import VirtualOutbox
from virtual_time import Actor, Process, World

import worker.drain
from cmqueue.errors import OutboxUnavailable
from cmqueue.lane import Lane
from config.settings import WorkerSettings
from worker.drain import Drain
from worker.sweeper import Sweeper


class Broker:
    """Carries wake-ups, and loses some."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance: Random = world.chance("broker")
        self.lost = 0.0
        self._tasks: list[tuple[Lane, str]] = []
        self._idle: list[Actor] = []

    def wake(self, lane: Lane, partition: str) -> bool:
        """As `cmqueue.wakeup.Waker.wake`. Some that are lost are known to be."""
        if self._chance.random() < self.lost:
            return self._chance.random() < 0.5
        self._tasks.append((lane, partition))
        if self._idle:
            self._world.rouse(self._chance.choice(self._idle))
        return True

    def rouse(self) -> None:
        """Let everybody who waits look up."""
        for actor in self._idle:
            self._world.rouse(actor)

    def take(self, stopping: Any) -> tuple[Lane, str] | None:
        """The next task, after waiting for one; None where another took it, or the worker stops."""
        if not self._tasks and not stopping.is_set():
            me = self._world.current
            self._idle.append(me)
            try:
                self._world.pause_until(inf)
            finally:
                self._idle.remove(me)
        return self._tasks.pop(0) if self._tasks and not stopping.is_set() else None


class Worker:
    """One worker process with a pool of threads."""

    def __init__(
        self,
        name: str,
        world: World,
        broker: Broker,
        settings: WorkerSettings,
        threads: int,
        open_outbox: Callable[[], VirtualOutbox],
    ) -> None:
        self._world, self._broker, self._settings = world, broker, settings
        self._threads, self._open_outbox = threads, open_outbox
        self.process = Process(name)
        self._drain: Drain | None = None
        self._serving = 0
        self._stopped = False
        world.spawn(f"{name}.main", self.process, self._main)

    @property
    def gone(self) -> bool:
        return self.process.dead or self._stopped

    def terminate(self) -> bool:
        """SIGTERM: no new POST starts, what is in flight is recorded. Whether there was anything to stop."""
        if self.gone or self._drain is None or self._drain.stopping.is_set():
            return False
        self._drain.stopping.set()
        self._broker.rouse()
        return True

    def _main(self) -> None:
        world, name = self._world, self.process.name
        chance = world.chance(f"{name}/drain")
        drain = Drain(self._open_outbox(), self._settings, list(Lane), self._threads, chance=chance)
        sweeper = Sweeper(drain, self._settings)
        sweeper.start()
        self._drain = drain
        for number in range(self._threads):
            self._serving += 1
            world.spawn(f"{name}.t{number}", self.process, lambda: self._serve(drain))
        drain.stopping.wait()
        while self._serving:
            world.pause(0.1)
        sweeper.stop()
        self._stopped = True

    def _serve(self, drain: Drain) -> None:
        """A thread of the pool: takes wake-ups, as `worker.celery.drain` does."""
        log = worker.drain.log
        while not drain.stopping.is_set():
            task = self._broker.take(drain.stopping)
            if task is None:
                continue
            lane, partition = task
            try:
                drain.wake(lane, partition)
            except OutboxUnavailable as error:
                log.warning("drain.interrupted", lane=lane.value, problem=error.problem)
            except Exception:
                log.exception("drain.failed", lane=lane.value)
        self._serving -= 1
