"""The workers of a scenario: real `celery -A worker worker` processes, started, killed and replaced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from demo.programs import ROOT, TOKEN
from worker.failpoint import ORDERS, SWITCH

READ_TIMEOUT = 2.0
LEASE = 6.0
#: Windows and schedules short enough to wait for. The lease exceeds both timeouts and 2 s, as it must.
QUICK = {
    "CMQUEUE_CONNECT_TIMEOUT": "1",
    "CMQUEUE_READ_TIMEOUT": f"{READ_TIMEOUT:g}",
    "CMQUEUE_LEASE_SECONDS": f"{LEASE:g}",
    "CMQUEUE_RECONCILE_SECONDS": "3",
    "CMQUEUE_RETRY_SCHEDULE": "1,1,2",
    "CMQUEUE_MAX_ATTEMPTS": "20",
    "CMQUEUE_OVERLOAD_FLOOR": "1",
    "CMQUEUE_PROBE_SECONDS": "1",
    "CMQUEUE_BATCH_SIZE": "50",
    "CMQUEUE_LOG_FORMAT": "json",
    "CMQUEUE_PRODUCT_TOKEN": TOKEN,
}
UP_SECONDS = 40.0
#: A told worker's last POST ends within the read timeout; then it has 5 s.
STOP_SECONDS = READ_TIMEOUT + 5.0
STOP_PATIENCE = 30.0


class Worker:
    """One worker process. `doomed` once we ended it, or armed it to end itself."""

    def __init__(self, environment: dict[str, str], log: Path, *, doomed: bool) -> None:
        self.log = log
        self.doomed = doomed
        self._up = False
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "celery",
            "-A",
            "worker",
            "worker",
            "-n",
            f"{log.stem}@chaos",
        ]
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "chaos.tied", *command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                # A terminal's signals reach the scenario alone, which then ends its workers in order.
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def up(self) -> bool:
        """Whether it said that it serves."""
        self._up = self._up or b'"worker.started"' in self.log.read_bytes()
        return self._up

    def send(self, number: signal.Signals) -> None:
        if self.alive:
            self.process.send_signal(number)

    def rss(self) -> int:
        """Resident bytes; 0 once it is gone."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (FileNotFoundError, IndexError, ProcessLookupError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def lines(self, *words: str) -> Iterator[dict[str, Any]]:
        """The log's lines that hold one of these words, read; a line that a kill cut short is left out."""
        with self.log.open(errors="replace") as stream:
            for line in stream:
                if any(word in line for word in words):
                    try:
                        yield json.loads(line)
                    except ValueError:
                        continue


class Fleet:
    """All workers that a scenario ever had. `problems` collects what they did that they must not."""

    def __init__(
        self,
        redis_url: str,
        broker_url: str,
        endpoint: str,
        logs: Path,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CMQUEUE_")}
        self._environment = kept | QUICK | dict(more) | {
            "CMQUEUE_REDIS_URL": redis_url,
            "CMQUEUE_BROKER_URL": broker_url,
            "CMQUEUE_ENDPOINT": endpoint,
        }  # fmt: skip
        self._logs = logs
        self.all: list[Worker] = []
        self.problems: list[str] = []

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.all if worker.alive]

    def start(self, *, failpoint: str | None = None, **settings: str) -> Worker:
        """Start one more; `failpoint` is an order as `worker.failpoint` reads it."""
        armed = {} if failpoint is None else {SWITCH: "1", ORDERS: failpoint}
        log = self._logs / f"worker{len(self.all)}.log"
        worker = Worker(self._environment | armed | settings, log, doomed=failpoint is not None)
        self.all.append(worker)
        return worker

    def await_up(self, *workers: Worker) -> None:
        """Return once all serve or are dead; one that takes too long is a problem."""
        end = time.monotonic() + UP_SECONDS
        while any(worker.alive and not worker.up for worker in workers):
            if time.monotonic() > end:
                self.problems.append("a worker did not come up")
                return
            time.sleep(0.05)

    def kill(self, worker: Worker) -> None:
        """SIGKILL."""
        worker.doomed = True
        worker.send(signal.SIGKILL)
        worker.process.wait()

    def tell(self, worker: Worker) -> None:
        """SIGTERM; its exit has to come in time."""
        worker.doomed = True
        began = time.monotonic()
        worker.send(signal.SIGTERM)
        try:
            worker.process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill(worker)
        took = time.monotonic() - began
        if took > STOP_SECONDS:
            self.problems.append(f"a worker took {took:.1f} s to end on SIGTERM, {worker.log.name}")

    def deserters(self) -> list[str]:
        """The workers that ended though nobody ended them."""
        return [
            f"{worker.log.name} ended by itself with {worker.process.returncode}"
            for worker in self.all
            if not worker.alive and not worker.doomed
        ]

    def end(self) -> None:
        """End all that still run: first told, then killed."""
        for worker in self.alive:
            worker.doomed = True
            worker.send(signal.SIGCONT)
            worker.send(signal.SIGTERM)
        for worker in self.all:
            try:
                worker.process.wait(STOP_PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill(worker)
