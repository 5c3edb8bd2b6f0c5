"""A world with a clock of its own and many actors, of which one runs at a time; its seed says which.

An actor is a real thread, so that the worker's code runs unchanged. A baton lets one of them go on, and
changes hands only where an actor passes time: what happens between is one indivisible step. Time stands still
while anybody can run, then jumps to the next moment at which somebody wants to.
"""

from __future__ import annotations

import heapq
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from math import inf
from random import Random
from typing import Any
from unittest.mock import patch

#: 2027-01-15; seconds since 1970.
EPOCH = 1_800_000_000.0
#: A run takes a few thousand steps. One that takes more is going round in circles.
MOST_STEPS = 200_000


class Killed(BaseException):
    """The actor's process is no more. Nothing catches it: the stack unwinds, and the memory is gone."""


class Process:
    """What lives and dies together."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.frozen_until = 0.0


class Actor:
    """One thread of one process."""

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self.process = process
        self.ready_at = 0.0
        self.notes: dict[str, Any] = {}  #: what those who watch remember about it
        self.done = False
        self._baton = threading.Lock()
        self._baton.acquire()

    def receive_baton(self) -> None:
        self._baton.acquire()

    def give_baton(self) -> None:
        self._baton.release()

    @property
    def runs_at(self) -> float:
        return max(self.ready_at, self.process.frozen_until)


class World:
    """The clock, the actors and the order in which they run. The thread that makes it is its director."""

    def __init__(self, seed: str) -> None:
        self.now = EPOCH
        self.over = False
        self._seed = seed
        self._order = self.chance("order")
        self._steps = 0
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._called = 0
        self.director = self.current = Actor("director", Process("director"))
        self._actors = [self.director]

    def chance(self, purpose: str) -> Random:
        """Chance for one purpose, so that a new draw for another moves nothing here."""
        return Random(f"{self._seed}/{purpose}")

    def monotonic(self) -> float:
        return self.now - EPOCH + 1000

    # --- passing time ----------------------------------------------------------------------------------

    def pause(self, seconds: float = 0.0) -> None:
        """Let others run, and go on when `seconds` have passed. Raises Killed when the process died."""
        self.pause_until(self.now + seconds)

    def pause_until(self, moment: float) -> None:
        """The same until `moment`; an infinite one needs somebody who calls `rouse`."""
        me = self.current
        self._live(me)
        me.ready_at = moment
        self._hand_over(me)
        self._live(me)

    def rouse(self, actor: Actor) -> None:
        """Let a paused actor go on now."""
        actor.ready_at = min(actor.ready_at, self.now)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Make `call` when `seconds` have passed. It belongs to no process and passes no time itself."""
        self._called += 1
        heapq.heappush(self._calls, (self.now + seconds, self._called, call))

    def _live(self, me: Actor) -> None:
        if me is not self.director and (me.process.dead or self.over):
            raise Killed

    def _hand_over(self, me: Actor) -> None:
        following = self._following()
        self.current = following
        if following is not me:
            following.give_baton()
            if not me.done:
                me.receive_baton()

    def _following(self) -> Actor:
        """Who runs next. Moves the clock where nobody can run now."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            self.over = True
        if self.over:
            for actor in self._actors:
                actor.ready_at = self.now
                actor.process.frozen_until = 0.0
        while True:
            first = min(actor.runs_at for actor in self._actors)
            if self._calls and self._calls[0][0] <= max(first, self.now):
                moment, _, call = heapq.heappop(self._calls)
                self.now = max(self.now, moment)
                call()
                continue
            self.now = max(self.now, first)
            ready = [actor for actor in self._actors if actor.runs_at <= self.now]
            return ready[self._order.randrange(len(ready))] if len(ready) > 1 else ready[0]

    # --- actors and processes --------------------------------------------------------------------------

    def spawn(self, name: str, process: Process, body: Callable[[], None]) -> Actor:
        """Run `body` as an actor of `process`."""
        actor = Actor(name, process)
        actor.ready_at = self.now

        def run() -> None:
            actor.receive_baton()
            try:
                self._live(actor)
                body()
            except Killed:
                pass
            finally:
                actor.done = True
                self._actors.remove(actor)
                self._hand_over(actor)

        self._actors.append(actor)
        threading.Thread(target=run, name=name, daemon=True).start()
        return actor

    def kill(self, process: Process) -> None:
        """End `process` at once. Raises Killed where the caller is part of it."""
        process.dead = True
        process.frozen_until = 0.0
        for actor in self._actors:
            if actor.process is process:
                actor.ready_at = self.now
        self._live(self.current)

    def end(self) -> None:
        """End every actor. Called by the director."""
        self.over = True
        self._calls.clear()
        while len(self._actors) > 1:
            self.pause()

    @property
    def endless(self) -> bool:
        return self._steps > MOST_STEPS


# --- what stands in for the modules that know of time, threads and chance --------------------------------


class _StandIn:
    """A module of which some names are replaced."""

    def __init__(self, module: Any, **names: Any) -> None:
        self._module = module
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class Event:
    """threading.Event."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._set = False
        self._waiting: list[Actor] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        for actor in self._waiting:
            self._world.rouse(actor)

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        if not self._set:
            me = self._world.current
            self._waiting.append(me)
            try:
                self._world.pause_until(inf if timeout is None else self._world.now + timeout)
            finally:
                self._waiting.remove(me)
        return self._set


class Lock:
    """threading.Lock. A real one would stop the world: its holder may have passed the baton on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._held = False

    def __enter__(self) -> None:
        while self._held:
            self._world.pause(0.0001)
        self._held = True

    def __exit__(self, *_: object) -> None:
        self._held = False


class Thread:
    """threading.Thread: an actor of the process that starts it."""

    def __init__(
        self, world: World, target: Callable[..., None], args: tuple[Any, ...] = (), name: str = "", **_: Any
    ) -> None:
        self._world, self._target, self._args, self._name = world, target, args, name
        self._ended = Event(world)
        self._started = False

    def start(self) -> None:
        self._started = True
        process = self._world.current.process
        self._world.spawn(f"{process.name}.{self._name}", process, self._run)

    def _run(self) -> None:
        try:
            self._target(*self._args)
        finally:
            self._ended.set()

    def is_alive(self) -> bool:
        return self._started and not self._ended.is_set()

    def join(self, timeout: float | None = None) -> None:
        if self.is_alive():
            self._ended.wait(timeout)


def _seeded_os(world: World) -> _StandIn:
    chance = world.chance("urandom")

    def leave(_status: int) -> None:
        world.kill(world.current.process)

    return _StandIn(os, urandom=chance.randbytes, _exit=leave)


def patches(world: World, *packages: str) -> Iterator[Any]:
    """Patchers that put `world` in the place of time, threads and chance in every module of `packages`."""
    import random  # noqa: PLC0415 - the module itself, to be recognised where others imported it

    stand_ins = {
        id(time): _StandIn(time, time=lambda: world.now, monotonic=world.monotonic, sleep=world.pause),
        id(threading): _StandIn(
            threading,
            Event=lambda: Event(world),
            Lock=lambda: Lock(world),
            Thread=lambda **options: Thread(world, **options),
        ),
        id(os): _seeded_os(world),
        id(random): world.chance("random"),
    }
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in packages:
            for attribute, value in list(vars(module).items()):
                if id(value) in stand_ins:
                    yield patch.object(module, attribute, stand_ins[id(value)])
