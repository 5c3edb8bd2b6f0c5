"""The way to a real Redis with faults on it: commands that are cut off, answered too late, or run too late.

The scripts are the real ones, but for the clock: where they ask Redis for the time they get the world's,
handed in as one more key. What Redis itself expires still runs on real time: wake-up tokens therefore get a
life that no run reaches, and the world removes them; idempotency keys live for more than a day, and the
answers to repeated calls for two minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from virtual_time import World

from cmqueue import Outbox
from cmqueue.connection import NotConnected, Scripts
from cmqueue.lane import Lane
from cmqueue.registry import Registry
from cmqueue.script import KEYS, source
from config.settings import WorkerSettings

T = TypeVar("T")

#: How long a client waits for an answer, as `cmqueue.connection.connect` sets it.
PATIENCE = 1.2
TOKEN_LIFE = 5.0

Observe = Callable[[str, list[str], list[Any], Any], None]
Mutation = Callable[[str, str], str]


@dataclass(kw_only=True)
class RedisFaults:
    """How likely each is, for one command."""

    refused: float = 0.0  #: no connection, so nothing was sent
    cut_before: float = 0.0  #: the connection breaks, the command was not run
    cut_after: float = 0.0  #: the command was run, its reply is lost
    late_reply: float = 0.0  #: the command was run, the client gave up
    late_run: float = 0.0  #: the client gave up, the command is run up to 10 s later
    away_until: float = 0.0  #: nothing listens
    frozen_until: float = 0.0  #: takes commands, and runs them when it thaws


class Wire:
    """What lies between the clients and the server."""

    def __init__(self, world: World, note: Callable[[str], None]) -> None:
        self._world = world
        self._note = note
        self._chance = world.chance("wire")
        self.faults = RedisFaults()

    def carry(self, command: Callable[[], T]) -> T:
        """The reply to `command`, or one of the client's errors, after some time."""
        world, chance, faults = self._world, self._chance, self.faults
        world.pause(chance.choice((0.0, 0.0003, 0.002)))
        if world.now < faults.away_until:
            self._note("redis away")
            raise NotConnected("ConnectionRefusedError")
        if world.now < faults.frozen_until:
            self._run_later(command, faults.frozen_until - world.now + chance.random() * 0.01)
        draw = chance.random()
        for kind in ("refused", "cut_before", "cut_after", "late_reply", "late_run"):
            draw -= getattr(faults, kind)
            if draw < 0:
                self._note(f"redis {kind}")
                self._fail(kind, command)
        reply = command()
        if chance.random() < 0.3:
            world.pause()
        return reply

    def _fail(self, kind: str, command: Callable[[], Any]) -> None:
        if kind == "refused":
            raise NotConnected("ConnectionRefusedError")
        if kind == "late_run":
            self._run_later(command, self._chance.uniform(PATIENCE, 10.0))
        if kind != "cut_before":
            command()
            self._world.pause(0.001 if kind == "cut_after" else PATIENCE)
        if kind == "late_reply":
            raise RedisTimeoutError("Timeout reading from socket")
        raise RedisConnectionError("Connection closed by server.")

    def _run_later(self, command: Callable[[], Any], seconds: float) -> None:
        def run() -> None:
            try:
                command()
            except redis.ResponseError as error:  # its client is gone, and nobody hears it
                self._note(f"redis answered nobody: {error}")
            else:
                self._note("redis ran a late command")

        self._world.later(seconds, run)
        self._world.pause(PATIENCE)
        raise RedisTimeoutError("Timeout reading from socket")


class _VirtualScript:
    """A script that reads the world's clock."""

    def __init__(
        self, name: str, world: World, client: redis.Redis, mutate: Mutation, observe: Observe
    ) -> None:
        text = mutate(name, source(name))
        timed = text.replace("call('TIME')", "{string.match(KEYS[#KEYS], '(%d+)%.(%d+)')}")
        assert timed != text
        assert "'TIME'" not in timed
        self._name, self._world, self._observe = name, world, observe
        self._script = client.register_script(timed)

    def __call__(self, keys: list[str], args: list[Any], **options: Any) -> Any:
        micros = round(self._world.now * 1e6)
        clock = f"{micros // 1_000_000}.{micros % 1_000_000:06}"
        reply = self._script(keys=[*keys, clock], args=args, **options)
        self._observe(self._name, keys, args, reply)
        return reply


class _VirtualScripts(Scripts):
    def __init__(
        self,
        client: redis.Redis,
        settings: WorkerSettings,
        world: World,
        mutate: Mutation,
        observe: Observe,
        wire: Wire | None,
    ) -> None:
        super().__init__(client, settings.redis_timeout)
        self._wire = wire
        self._scripts = {name: _VirtualScript(name, world, client, mutate, observe) for name in KEYS}

    def begin(self, name: str, prefix: str, args: list[Any]) -> Callable[[], Any]:
        return lambda: self.run(name, prefix, args)  # one after the other, as everything here

    def guarded(self, command: Any, *, spent: float = 0.0) -> Any:
        wire = self._wire
        return super().guarded(command if wire is None else lambda: wire.carry(command), spent=spent)


class SilentWaker:
    """Wakes nobody."""

    def wake(self, _lane: Lane, _partition: str) -> bool:
        return True

    def close(self) -> None:
        pass


class VirtualOutbox(Outbox):
    """An outbox of the world's. Without a `wire` it is the observer's, whom no fault meets."""

    def __init__(
        self,
        client: redis.Redis,
        settings: WorkerSettings,
        world: World,
        *,
        mutate: Mutation = lambda _, text: text,
        observe: Observe = lambda *_: None,
        wire: Wire | None = None,
        waker: Any = None,
    ) -> None:
        self.settings = settings
        self._client = client
        self.scripts = _VirtualScripts(client, settings, world, mutate, observe, wire)
        self.registry = Registry(self.scripts, settings)
        self.waker = waker or SilentWaker()

    def close(self) -> None:
        """The connection is the world's."""


def tokens_fall(world: World, client: redis.Redis, prefix: str) -> None:
    """Let wake-up tokens expire by the world's clock, about `TOKEN_LIFE` after they were taken."""
    seen: dict[str, float] = {}

    def look() -> None:
        for lane in Lane:
            name = f"{prefix}wake:{lane.letter}"
            if not client.exists(name):
                seen.pop(name, None)
            elif world.now - seen.setdefault(name, world.now) >= TOKEN_LIFE:
                client.delete(name)
        world.later(1.0, look)

    look()
