"""What tests share beside fixtures: waiting on a condition, and real worker processes."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmqueue import Outbox, State

ROOT = Path(__file__).resolve().parent.parent
COMMAND = Path(sysconfig.get_path("scripts")) / "cmqueue"
TOKEN = "11111111-1111-1111-1111-111111111111"


@dataclass(frozen=True, slots=True)
class Ran:
    """How the command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def eventually(condition: Callable[[], object], seconds: float = 20, every: float = 0.02) -> object:
    """The first true value of `condition`; fails when none came within `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {condition}"
        time.sleep(every)


def descendants(pid: int) -> set[int]:
    """The processes that `pid` started, and theirs."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listed.splitlines())}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


class WorkerProcess:
    """A real `celery -A worker worker`, its log in a file."""

    def __init__(self, environment: dict[str, str], log: Path, *arguments: str) -> None:
        self.log = log
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-W", "ignore", "-m", "celery", "-A", "worker", "worker",
                    "-n", f"{log.stem}@test", *arguments,
                ],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def lines(self) -> str:
        return self.log.read_text()

    def terminate(self, seconds: float = 30) -> int:
        self.process.terminate()
        return self.process.wait(seconds)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


Run = Callable[..., WorkerProcess]


def finished(outbox: Outbox, id: str) -> State | None:
    """The state that the message ended in; None while it waits."""
    status = outbox.status(id)
    return status.state if status is not None and status.state.finished else None


def all_finished(outbox: Outbox) -> bool:
    """Whether nothing waits any more."""
    return outbox.audit().waiting.total() == 0


def events(worker: WorkerProcess, *names: str) -> list[dict[str, Any]]:
    """The worker's log lines of these events, in their order."""
    lines = [json.loads(line) for line in worker.lines().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] in names]
