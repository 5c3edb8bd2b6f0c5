"""The receiver of CM's webhooks on a stage: a process of its own, to which the sandbox reports."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from demo.programs import ROOT

SECRET = "chaos-chaos-chaos-chaos"  # noqa: S105 - of a receiver on loopback, for a minute
UP_SECONDS = 20.0
STOP_SECONDS = 15.0

#: As CM tells: late, some twice, some out of order, the number in any spelling. Every message is told of.
_REPORTS = {
    "mix": {"delivered": 90, "read": 5, "failed:24": 4, "rejected": 1},
    "delay": "lognormal:300,0.8",
    "duplicates": 0.05,
    "reordered": 0.05,
    "numbers": "mixed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """What tells of messages after their answer: status reports, or CM's Transactions API, or both.

    `visible_after`: seconds until the API shows a message; None where nobody asks it.
    """

    reports: bool = True
    visible_after: float | None = None
    webhooks: Mapping[str, Any] = field(default_factory=lambda: dict(_REPORTS))


@contextmanager
def receiving(redis_url: str, logs: Path) -> Iterator[str]:
    """A receiver on that Redis; where reports are posted. Raises RuntimeError if it does not come up."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CMQUEUE_")}
    with (logs / "receiver.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "chaos.tied", sys.executable, "-m", "receivers.webhooks"],
            cwd=ROOT,
            env=kept
            | {
                "CMQUEUE_REDIS_URL": redis_url,
                "CMQUEUE_RECEIVER_SECRET": SECRET,
                "CMQUEUE_LOG_FORMAT": "json",
                "HOST": "127.0.0.1",
                "PORT": str(port),
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await(f"http://127.0.0.1:{port}/ready", process)
        yield f"http://127.0.0.1:{port}/cm/status/{SECRET}"
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    opener = build_opener(ProxyHandler({}))
    end = time.monotonic() + UP_SECONDS
    while True:
        try:
            with opener.open(url, timeout=2):
                return
        except (URLError, OSError):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the receiver did not come up") from None
            time.sleep(0.05)
