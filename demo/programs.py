"""The demo's programs: worker, intake and receiver as processes that end with the demo, however it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "11111111-1111-1111-1111-111111111111"  # noqa: S105 - the sandbox takes any GUID
SECRET = "demo-demo-demo-demo-demo"  # noqa: S105 - of a receiver on loopback, for a minute
READY_SECONDS = 20
STOP_SECONDS = 30
_PR_SET_PDEATHSIG = 1

_COMMANDS = {
    "worker": ["-W", "ignore", "-m", "celery", "-A", "worker", "worker"],
    "intake": ["-m", "producers.intake"],
    "receiver": ["-m", "receivers.webhooks"],
}


@dataclass(frozen=True, slots=True)
class Program:
    """One of ours, running. `url` is where it listens, if it does."""

    process: subprocess.Popen[bytes]
    url: str = ""


def environment(redis_url: str, endpoint: str, transactions: str) -> dict[str, str]:
    """The environment of the demo's programs: windows and schedules short enough to watch."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CMQUEUE_")}
    return kept | {
        "CMQUEUE_REDIS_URL": redis_url,
        "CMQUEUE_ENDPOINT": endpoint,
        "CMQUEUE_PRODUCT_TOKEN": TOKEN,
        "CMQUEUE_TRANSACTIONS_URL": transactions,
        "CMQUEUE_RECEIVER_SECRET": SECRET,
        "CMQUEUE_HANDLERS": "demo.handlers",
        "CMQUEUE_RECONCILE_SECONDS": "4",
        "CMQUEUE_RETRY_SCHEDULE": "1,2,4",
        "CMQUEUE_OVERLOAD_FLOOR": "1",
        "CMQUEUE_LOG_FORMAT": "json",
    }


@contextmanager
def start(name: str, variables: dict[str, str], logs: Path) -> Iterator[Program]:
    """The program `name`, its output in `logs`; stopped by SIGTERM at the end."""
    port = _free_port()
    with (logs / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *_COMMANDS[name]],
            cwd=ROOT,
            env=variables | {"PORT": str(port), "HOST": "127.0.0.1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches the demo alone, which then ends the others in order.
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads yet
        )
    program = Program(process, f"http://127.0.0.1:{port}" if name != "worker" else "")
    try:
        if program.url:
            _wait_until_ready(program)
        yield program
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Tell a program to stop, and return once it has; one that does not is killed."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_ready(program: Program) -> None:
    opener = build_opener(ProxyHandler({}))
    latest = time.monotonic() + READY_SECONDS
    while True:
        try:
            with opener.open(f"{program.url}/ready", timeout=2):
                return
        except (URLError, OSError):
            if program.process.poll() is not None or time.monotonic() > latest:
                raise RuntimeError("a program did not come up") from None
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
