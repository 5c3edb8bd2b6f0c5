"""The stage of one scenario: a Redis with its append-only file, a broker, a sandbox, a load and workers."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import redis

from chaos.fleet import Fleet, Worker
from chaos.load import Load
from chaos.proxy import Proxy, between
from chaos.receiver import WayBack, receiving
from chaos.reckoning import Reckoning, Witness, reckon
from cmqueue import Lane, Message, Outbox, State
from cmqueue.errors import OutboxUnavailable
from cmqueue.inlet import INLET
from cmqueue.partition import Partition
from cmqueue.settings import LibrarySettings
from demo.programs import TOKEN
from demo.valkey import RunningServer
from demo.valkey import running as running_server
from sandbox.running import SandboxClient, running

ALWAYS = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
EVERY_SECOND = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
NO_FILE = ("--save", "")

DRAIN_SECONDS = 120.0
PROBE_SECONDS = 60.0
WATCH_SECONDS = 60.0
POLL = 0.05
PROBE_NUMBER = "0031600000999"


@dataclass(slots=True)
class Stage:
    """Everything that a scenario may break. `recoveries` in seconds; `problems` for people."""

    server: RunningServer
    broker: RunningServer
    proxy: Proxy
    sandbox: SandboxClient
    outbox: Outbox
    load: Load
    fleet: Fleet
    witness: Witness
    chance: Random
    recoveries: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)

    @property
    def partition(self) -> Partition:
        return self.outbox.registry.partition("default")

    def pause(self, low: float, high: float) -> None:
        """Let the load go on for so many seconds, by chance."""
        time.sleep(self.chance.uniform(low, high))

    def within(self, seconds: float, condition: Callable[[], bool], every: float = POLL) -> bool:
        """Whether `condition` came true in time. Redis that is away makes it untrue."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OutboxUnavailable, redis.RedisError):
                if condition():
                    return True
            time.sleep(every)
        return False

    def busy(self) -> None:
        """Wait for a moment in which a batch is claimed, so that a fault now hurts."""
        leases = f"{self.partition.prefix}leases"
        self.within(5, lambda: bool(self.outbox.scripts.client.zcard(leases)), every=0.001)

    def kill(self, worker: Worker) -> None:
        """SIGKILL, and watch what it held."""
        self.fleet.kill(worker)
        self.watch()

    def watch(self) -> None:
        """From now on: how long until every batch that is open now is settled, in doubt, or claimed again."""
        watch = Watch(self.partition, self.server, self.fleet)
        watch.start()
        self.watches.append(watch)

    def await_watches(self) -> None:
        for watch in self.watches:
            watch.join()
            if watch.seconds is None:
                self.problems.append("a killed worker's batch was not claimed again")
            else:
                self.recoveries.append(watch.seconds)
        self.watches.clear()

    def resumed(self, *, counts: bool = True) -> None:
        """Note how long it takes from now until a message of each lane, enqueued now, is accepted.

        Unless it `counts` it only has to happen: what the endpoint refused may wait for the brake.
        """
        began = time.monotonic()
        waiting = {lane: self._probe(lane) for lane in Lane}
        for lane, id in waiting.items():
            if id is None or not self.within(PROBE_SECONDS, partial(self._answered, id)):
                self.problems.append(f"lane {lane} stood still for {PROBE_SECONDS:g} s")
                return
        if counts:
            self.recoveries.append(time.monotonic() - began)

    def _probe(self, lane: Lane) -> str | None:
        message = Message(
            sender="Acme",
            to=PROBE_NUMBER,
            text="Probe",
            idempotency_key=f"probe-{lane}-{time.monotonic_ns()}",
        )
        found: list[str] = []

        def enqueued() -> bool:
            found.append(self.outbox.enqueue(message, lane=lane.value).id)
            return True

        if not self.within(PROBE_SECONDS, enqueued):
            return None
        self.load.ids.add(found[0])
        return found[0]

    def _answered(self, id: str) -> bool:
        status = self.outbox.status(id)
        return status is not None and status.state in (State.ACCEPTED, State.UNKNOWN, State.REJECTED)

    def drained(self) -> bool:
        """Whether nothing waits, by the partition's books."""
        counts = self.partition.survey().counts
        return not any(count for name, count in counts.items() if len(name) == 1 and name.islower())

    def resume_lanes(self) -> None:
        """An operator's part: a lane stops where CM refused too many requests of it as a whole."""
        for lane in Lane:
            with contextlib.suppress(OutboxUnavailable):
                self.partition.resume(lane)

    def finish(self) -> Reckoning:
        """End the faults and the load, wait until nothing waits, end the workers, and reckon."""
        self.load.stop()
        self.sandbox.clear()
        self.await_watches()
        end = time.monotonic() + DRAIN_SECONDS
        while not self.within(2, self.drained, every=0.2) and time.monotonic() < end:
            self.resume_lanes()
        self._await_reports()
        self.problems += self.fleet.deserters()
        self.fleet.end()
        found = reckon(self.outbox, self.witness, self.fleet, self.sandbox, self.load.ids)
        found.problems += self.fleet.problems + self.problems
        if self.load.problem:
            found.problems.append(self.load.problem)
        return found

    def _await_reports(self) -> None:
        """What the sandbox still has to tell comes in, and is merged."""
        self.sandbox.wait_until_told(DRAIN_SECONDS)
        client = self.outbox.scripts.client
        if not self.within(DRAIN_SECONDS, lambda: not client.xlen(INLET)):
            self.problems.append("reports that were taken are not merged")


class Watch(threading.Thread):
    """Waits until none of the batches that were open at its start is left as it was.

    Its clock starts with the death; where no worker was up to take over, when one is up again.
    """

    def __init__(self, partition: Partition, server: RunningServer, fleet: Fleet) -> None:
        super().__init__(name="watch", daemon=True)
        self._fleet = fleet
        self._since = time.monotonic()
        self._client = redis.Redis(port=server.port, socket_timeout=2)
        leases: Any = self._client.zrange(f"{partition.prefix}leases", 0, -1)
        self._open = [f"{partition.prefix}batch:{batch.decode()}" for batch in leases]
        self.seconds: float | None = None if self._open else 0.0

    def run(self) -> None:
        end = time.monotonic() + WATCH_SECONDS
        with self._client:
            while self._open and time.monotonic() < end:
                now = time.monotonic()
                if not any(worker.up for worker in self._fleet.alive):
                    self._since = now
                with contextlib.suppress(redis.RedisError):
                    self._open = [name for name in self._open if self._client.exists(name)]
                    if not self._open:
                        self.seconds = max(0.0, now - self._since)
                time.sleep(POLL)


@contextlib.contextmanager
def staged(
    name: str,
    seed: int,
    *,
    options: tuple[str, ...] = ALWAYS,
    own_broker: bool = False,
    proxied: bool = False,
    rate: float,
    latency: str = "uniform:20-300",
    way_back: WayBack | None = None,
) -> Iterator[Stage]:
    """A stage, all of it ended afterwards. The workers' logs stay in /tmp if it had problems."""
    with ExitStack() as stack:
        # What the library says of our own faults is no news here; the workers have logs of their own.
        logging.getLogger("cmqueue").addHandler(logging.NullHandler())
        logs = Path(tempfile.mkdtemp(prefix=f"cmqueue-chaos-{name}-"))
        server = stack.enter_context(running_server(*options))
        broker = stack.enter_context(running_server(*NO_FILE)) if own_broker else server
        proxy = stack.enter_context(between(server.port))
        visible_after = None if way_back is None else way_back.visible_after
        sandbox = stack.enter_context(
            running(token=[TOKEN], seed=seed, keep=60_000, latency=latency, transactions=visible_after)
        )
        outbox = stack.enter_context(
            Outbox(
                LibrarySettings.from_env({"CMQUEUE_REDIS_URL": server.url, "CMQUEUE_BROKER_URL": broker.url})
            )
        )
        url = proxy.url if proxied else server.url
        if way_back is not None and way_back.reports:
            status_url = stack.enter_context(receiving(server.url, logs))
            sandbox.webhooks(status_url=status_url, **way_back.webhooks)
        asked = {}
        if visible_after is not None:
            # The windows are 40 times shorter than the default ones: so much faster is asked.
            asked = {
                "CMQUEUE_TRANSACTIONS_URL": sandbox.transactions,
                "CMQUEUE_TRANSACTIONS_PER_SECOND": "100",
            }
        fleet = Fleet(url, broker.url if own_broker else url, sandbox.endpoint, logs, asked)
        stack.callback(fleet.end)
        load = Load(outbox, Random(f"{seed}/{name}/load"), rate)
        stack.callback(load.stop)
        stage = Stage(
            server=server,
            broker=broker,
            proxy=proxy,
            sandbox=sandbox,
            outbox=outbox,
            load=load,
            fleet=fleet,
            witness=Witness(sandbox),
            chance=Random(f"{seed}/{name}"),
        )
        yield stage
    if stage.problems:
        stage.problems.append(f"the workers' logs are in {logs}")
    else:
        shutil.rmtree(logs, ignore_errors=True)


def killed(server: RunningServer) -> None:
    """SIGKILL a server; `start` brings it back on the same port, with its files."""
    os.kill(server.pid, signal.SIGKILL)
    server.stop()  # reaps its supervisor


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """SIGSTOP, and SIGCONT however it ends."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
