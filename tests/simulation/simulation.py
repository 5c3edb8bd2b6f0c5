"""One run of the whole worker in a world of its own: a function of its seed, and of nothing else.

Real are the outbox and its scripts on a real server, the drain, the attempt, the sweeper and all that they
decide with. Stand-ins are clock, threads and chance (`virtual_time`), the way to Redis (`simulated_redis`),
CM (`simulated_cm`), the broker and the callers. Every seed draws which faults there are, for a while; then
they stop, and everything must come to its end.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from unittest.mock import patch

import redis
import structlog
from drawn_faults import profile, settings
from laws import Laws
from outbox.inside import Inside
from simulated_callers import CULPRIT, KILLER, STRANGER, Callers
from simulated_cm import CM, Gateway, Pair
from simulated_redis import Mutation, RedisFaults, VirtualOutbox, Wire, tokens_fall
from simulated_worker import Broker, Worker
from virtual_time import EPOCH, Process, World, patches

import cmqueue.chunk
import cmqueue.outbox
import cmqueue.partition
import worker.drain
import worker.failpoint
from cmqueue import Message
from cmqueue.hold import resume
from cmqueue.identity import tail_of
from cmqueue.lane import Lane
from cmqueue.settlement import Settlement
from cmqueue.state import Reason, State
from worker.failpoint import FailpointError

#: Seconds of the world's time.
STORM = 45.0
#: After the storm everything ends within this: the longest wait for a probe of a stopped account, then what
#: retries and doubt take.
CALM = 300.0
#: Where a stall past the lease hurts most: the batch is another's by then, or what is known comes late.
TENDER = ("after_encode", "after_mark", "after_answer", "before_settle")
TAKEN = Settlement(State.ACCEPTED, Reason.ACCEPTED, parts=1)


@dataclass(slots=True)
class Run:
    """What a run showed. `seconds` is the world's time from its beginning to its end."""

    seed: str
    transcript: list[str] = field(default_factory=list, repr=False)
    broken: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def _unchanged(_name: str, text: str) -> str:
    return text


def run(seed: str, server_url: str, mutate: Mutation = _unchanged) -> Run:
    """Let a world run from its beginning to its end. `mutate` may change a script: its name, its text."""
    client = redis.Redis.from_url(server_url, protocol=2)
    try:
        client.flushall()
        return _Simulation(seed, client, server_url, mutate).run()
    finally:
        client.close()


class _Simulation:
    def __init__(self, seed: str, client: redis.Redis, server_url: str, mutate: Mutation) -> None:
        self.world = world = World(seed)
        self._run = Run(seed)
        self._client, self._mutate = client, mutate
        self._chance = world.chance("director")
        self._passing = world.chance("failpoints")
        self._settings = settings(server_url, world.chance("settings"))
        self._profile = profile(world.chance("profile"))
        self._stormy = True
        observer = VirtualOutbox(client, self._settings, world, mutate=mutate)
        inside = Inside(observer, observer.registry.partition("default"))
        self._observer, self._partition = observer, inside.partition
        self._laws = Laws(world, inside, self._settings, self.note)
        self._wire = Wire(world, self.note)
        self._cm = CM(world, self._laws, self._taken)
        self._broker = Broker(world)
        self._receiver = VirtualOutbox(
            client, self._settings, world, mutate=mutate, observe=self._laws.scripted
        ).registry.partition("default")
        self._started = 0

    def note(self, what: str) -> None:
        """A line of the transcript."""
        self._run.transcript.append(f"{self.world.now - EPOCH:9.4f} {self.world.current.name}: {what}")

    def run(self) -> Run:
        world, found, profile = self.world, self._run, self._profile
        with self._installed():
            self.note(f"seed {found.seed}: {profile}")
            tokens_fall(world, self._client, self._partition.prefix)
            odd = [KILLER] * profile.killer + [CULPRIT] * profile.culprit
            self._cm.culprits = {CULPRIT}.intersection(odd)
            callers = Callers(world, self._laws, self._cm, odd=odd, cancels=profile.cancels)
            stranger = self._stranger() if profile.stranger else None
            web = Process("web")
            world.spawn("web", web, lambda: callers.call(self._outbox()))
            workers = [self._worker() for _ in range(profile.workers)]
            try:
                self._storm(workers, web)
                self._calm()
                if stranger and not self._laws.broken:
                    self._laws.strange(self._observer.status(stranger))
            finally:
                world.end()
        if world.endless:
            self._laws.wrong("the run goes round in circles")
        found.broken, found.counts = self._laws.broken, dict(self._laws.counts)
        found.seconds = world.now - EPOCH
        return found

    def _stranger(self) -> str:
        """Enqueue for an account that no worker holds a token for; the message's id."""
        message = Message(sender="Acme", to=STRANGER, text="hi")
        return self._observer.enqueue(message, account="strange", expires_in=20).id

    # --- what the director does ------------------------------------------------------------------------

    def _storm(self, workers: list[Worker], web: Process) -> None:
        """The faults' time."""
        world, chance, profile, faults = self.world, self._chance, self._profile, self._wire.faults
        for kind, rate in profile.redis.items():
            setattr(faults, kind, rate)
        self._broker.lost = profile.wakeups_lost
        while world.now < EPOCH + STORM and not self._laws.broken:
            self._cm.weather = chance.choice(profile.weather)
            self.note(f"weather {self._cm.weather}")
            if profile.redis_away and chance.random() < 0.2:
                faults.away_until = world.now + chance.uniform(0.1, 12)
            if profile.redis_frozen and chance.random() < 0.15:
                faults.frozen_until = world.now + chance.uniform(0.1, 9)
            one = chance.choice(workers)
            if chance.random() < profile.frozen:
                one.process.frozen_until = world.now + chance.uniform(0.1, 2.5) * self._settings.lease_seconds
                self.note(f"freezes {one.process.name}")
            if chance.random() < profile.terminated and one.terminate():
                self.note(f"terminates {one.process.name}")
            if chance.random() < profile.crash:
                self.note("kills web")
                world.kill(web)
            workers[:] = [self._worker() if one.gone and chance.random() < 0.7 else one for one in workers]
            self._operate(0.3)
            world.pause(chance.uniform(0.5, 6.0))
        self._stormy = False
        self._wire.faults = RedisFaults()
        self._cm.weather = "calm"
        self._broker.lost = 0.0
        self._worker()
        self.note("calm")

    def _calm(self) -> None:
        """No more faults: everything must come to its end, also with one who meets a killer."""
        world, laws = self.world, self._laws
        end = world.now + CALM
        workers = [self._worker()]
        while not laws.broken and not world.over:
            world.pause(5.0)
            workers = [self._worker() if one.gone else one for one in workers]
            self._operate(1.0)
            waiting = self._observer.audit().as_json()["waiting"]
            if not waiting:
                break
            if world.now > end:
                laws.wrong(f"waits for ever: {waiting}")
        if not laws.broken:
            laws.concluded(self._cm.taken)

    def _operate(self, diligence: float) -> None:
        """What people do now and then: let stopped lanes go on, and give the dead a second chance."""
        for lane in Lane:
            if self._chance.random() < diligence and resume(self._observer, lane, "default"):
                self.note(f"resumes {lane}")
        if self._stormy and self._chance.random() < 0.1:
            for state in (State.DEAD, State.UNKNOWN):
                letter = state.letter
                ended = [
                    key for key, row in self._partition.kept(0, 100) if row and row[1:2] == letter.encode()
                ]
                again = self._partition.redrive(letter, ended, 60) if ended else []
                ids = [self._partition.code + key for key in again]
                self._laws.redriven(ids, self.world.now + 61, state)
                self.note(f"redrives {len(again)} {state}")

    def _taken(self, pair: Pair) -> None:
        """CM took a message: perhaps a receipt comes, before its answer or long after."""
        if self._profile.receipts and self._chance.random() < 0.4:
            reference, number = pair
            key = reference[2:6] + tail_of(self._observer.registry.key, reference, number)

            def arrive() -> None:
                self.note(f"receipt for {key}: {self._receiver.prove([(key, TAKEN)])}")

            self.world.later(self._chance.choice((0.0, 0.3, 2.0, 9.0, 25.0)), arrive)

    # --- what the others are made of -------------------------------------------------------------------

    def _outbox(self) -> VirtualOutbox:
        """An outbox of a process that faults may meet."""
        return VirtualOutbox(
            self._client, self._settings, self.world,
            mutate=self._mutate, observe=self._laws.scripted, wire=self._wire, waker=self._broker,
        )  # fmt: skip

    def _worker(self) -> Worker:
        self._started += 1
        name = f"w{self._started}"
        self.note(f"starts {name}")
        return Worker(name, self.world, self._broker, self._settings, self._profile.threads, self._outbox)

    def _passage(self, place: str) -> None:
        """A fail-point: here a worker may crash, stall or raise."""
        world, profile = self.world, self._profile
        me = world.current
        if place == "after_encode" and KILLER in me.notes["numbers"]:
            self.note("meets its killer")
            world.kill(me.process)
        if not self._stormy:
            return
        draw = self._passing.random()
        if draw < profile.crash:
            self.note(f"crashes {place}")
            world.kill(me.process)
        elif draw < profile.crash + profile.raised:
            self.note(f"raises {place}")
            raise FailpointError(place)
        elif draw < profile.crash + profile.raised + profile.stall * (4 if place in TENDER else 1):
            seconds = self._passing.choice((0.2, 0.6, 1.2, 3.0)) * self._settings.lease_seconds
            self.note(f"stalls {place} {seconds}")
            world.pause(seconds)

    def _gateway(self, _endpoint: str, *, connect_timeout: float, read_timeout: float, **_: Any) -> Gateway:
        return Gateway(self.world, self._cm, connect_timeout, read_timeout)

    def _record(self, _logger: Any, _method: str, line: dict[str, Any]) -> Any:
        """A processor of structlog's: log lines go to the laws and into the transcript."""
        event = line.pop("event")
        error = sys.exc_info()[1] if line.pop("exc_info", None) else None
        told = "".join(f" {name}={value}" for name, value in line.items() if value is not None)
        self.note(f"{event}{told}{f' {type(error).__name__}' if error else ''}")
        self._laws.logged(event, line, error=error)
        raise structlog.DropEvent

    @contextmanager
    def _installed(self) -> Iterator[None]:
        """The world in the place of the real one, for the code under test."""
        logger = structlog.wrap_logger(
            None, processors=[self._record], wrapper_class=structlog.make_filtering_bound_logger(0)
        )
        with ExitStack() as stack:
            for one in patches(self.world, "cmqueue", "worker", "tenacity"):
                stack.enter_context(one)
            for name, module in sorted(sys.modules.items()):
                if name.partition(".")[0] in ("cmqueue", "worker"):
                    kept = getattr(module, "log", None)
                    if kept is not None and not isinstance(kept, ModuleType):
                        stack.enter_context(patch.object(module, "log", logger))
            for module, name, value in (
                (worker.failpoint, "at", self._passage),
                (worker.drain, "Gateway", self._gateway),
                (cmqueue.partition, "WAKE_MS", 10**9),
                (cmqueue.chunk, "WAKE_MS", 10**9),
                (cmqueue.outbox, "CHUNK", 4),
            ):
                stack.enter_context(patch.object(module, name, value))
            yield
