"""The stage of one measurement: a Redis of its own, the sandbox in its own process, what runs between."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from benchmarks.program import Program, started
from cmqueue import Outbox
from cmqueue.settings import LibrarySettings
from demo.programs import TOKEN
from demo.valkey import RunningServer
from demo.valkey import running as redis_running
from sandbox.running import SandboxClient
from sandbox.running import running as sandbox_running

#: As an outbox is run: append-only, synced each second. A rewrite would fall into one measurement alone.
SERVER = ("--save", "", "--appendonly", "yes", "--auto-aof-rewrite-percentage", "0")
PATIENCE, START_PATIENCE = 240.0, 40.0  #: seconds: for all of a measurement, and for a worker's first message
THREADS = 8  #: of our worker; the others get as many
POLL = 0.04
INTAKE, RECEIVER = "producers.intake", "receivers.webhooks"
STARTED = '.started"'  #: ends the event by which a program says that it serves, and on which port
RECEIVER_SECRET = "a-secret-of-the-benchmark"  # noqa: S105  # of a server that ends with it
SAID = 1500  #: characters of a program's log that are told where something failed


@dataclass
class Stage:
    """What a measurement works with."""

    server: RunningServer
    sandbox: SandboxClient
    outbox: Outbox
    logs: Path
    client: redis.Redis
    _open: ExitStack = field(repr=False)

    def worker(self, app: str = "worker", **settings: str) -> Program:
        """Our worker, as it starts with no flag; or another `app` made of it."""
        variables = {
            "CMQUEUE_REDIS_URL": self.server.url,
            "CMQUEUE_ENDPOINT": self.sandbox.endpoint,
            "CMQUEUE_PRODUCT_TOKEN": TOKEN,
            "CMQUEUE_LOG_FORMAT": "json",
        }
        return self._start(["celery", "-A", app, "worker"], variables | settings)

    def naive(self, *flags: str) -> Program:
        """A worker of one task per message."""
        return self._start(["celery", "-A", "benchmarks.naive", "-q", "worker", *flags], self._named("NAIVE"))

    def bare(self) -> Program:
        """The loop that does the least."""
        return self._start(["benchmarks.bare", str(THREADS)], self._named("BARE"))

    def _named(self, prefix: str) -> dict[str, str]:
        return {
            f"{prefix}_REDIS_URL": self.server.url,
            f"{prefix}_ENDPOINT": self.sandbox.endpoint,
            f"{prefix}_TOKEN": TOKEN,
        }

    def _start(self, module: Sequence[str], variables: dict[str, str]) -> Program:
        log = self.logs / f"{module[0]}.log"
        return self._open.enter_context(started(module, variables, log))

    def intake(self) -> Program:
        """Our HTTP intake, on a free port."""
        variables = {
            "CMQUEUE_REDIS_URL": self.server.url,
            "CMQUEUE_PRODUCT_TOKEN": TOKEN,
            "CMQUEUE_LOG_FORMAT": "json",
            "HOST": "127.0.0.1",
            "PORT": "0",
        }
        return self._start([INTAKE], variables)

    def receiver(self) -> Program:
        """Our receiver of CM's webhooks, on a free port."""
        variables = {
            "CMQUEUE_REDIS_URL": self.server.url,
            "CMQUEUE_RECEIVER_SECRET": RECEIVER_SECRET,
            "CMQUEUE_LOG_FORMAT": "json",
            "HOST": "127.0.0.1",
            "PORT": "0",
        }
        return self._start([RECEIVER], variables)

    def port_of(self, program: Program) -> int:
        """The port that a program listens on, once it serves; it writes it into its log."""
        log = program.log
        wait_until(lambda: STARTED in log.read_text(), [program], patience=START_PATIENCE)
        (line,) = [line for line in log.read_text().splitlines() if STARTED in line]
        return int(json.loads(line)["port"])

    def used(self) -> int:
        """Bytes that the server's data take."""
        return int(self.client.info("memory")["used_memory"])

    def finished(self) -> int:
        """Messages of the outbox that have ended."""
        return sum(self.outbox.audit().finished.values())

    def leased(self) -> int:
        """Batches of the outbox that a worker holds."""
        partition = self.outbox.registry.partition("default")
        return int(self.client.zcard(f"{partition.prefix}leases"))

    def posted(self) -> int:
        """Messages that the sandbox took."""
        return int(self.sandbox.counts()["messages"])


def wait_until(
    true: Callable[[], bool],
    programs: Sequence[Program] = (),
    *,
    poll: float = POLL,
    patience: float = PATIENCE,
) -> None:
    """Return once it holds; raises TimeoutError, and RuntimeError where a program ended meanwhile."""
    end = time.monotonic() + patience
    while not true():
        for program in programs:
            program.look()
        if time.monotonic() > end:
            raise TimeoutError(f"nothing came of it in {patience:g} s")
        time.sleep(poll)


@contextmanager
def staged(*, latency_ms: int = 0, **sandbox: object) -> Iterator[Stage]:
    """A stage whose endpoint takes `latency_ms` for every answer; everything on it ends with it."""
    flags: dict[str, object] = {"count_only": True, "no_pairs": True} | sandbox
    if latency_ms:
        flags["latency"] = f"fixed:{latency_ms}"
    with ExitStack() as opened, tempfile.TemporaryDirectory(prefix="cmqueue-bench-") as logs:
        server = opened.enter_context(redis_running(*SERVER, binary=shutil.which("redis-server")))
        client = opened.enter_context(redis.Redis.from_url(server.url))
        endpoint = opened.enter_context(sandbox_running(**flags))
        outbox = opened.enter_context(Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": server.url})))
        programs = opened.enter_context(ExitStack())
        try:
            yield Stage(server, endpoint, outbox, Path(logs), client, programs)
        except Exception as error:
            for log in Path(logs).glob("*.log"):
                error.add_note(f"{log.stem} said last: {log.read_text(errors='replace')[-SAID:]}")
            raise
