"""A real `python -m receivers.webhooks`, and what tests ask it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from harness import ROOT, eventually

from cmqueue import Outbox
from cmqueue.inlet import Brought, Inlet
from cmqueue.settings import LibrarySettings
from demo.valkey import RunningServer

SECRET = "canary-secret-0123456789"
NEXT_SECRET = "canary-other-secret-9876543210"
NUMBER = "0031600000777"
REPORT = json.dumps(
    {
        "messages": {
            "msg": {
                "received": "2026-01-31T13:24:03",
                "to": NUMBER,
                "reference": "canary-reference",
                "status": {"code": "2", "errorCode": "", "errorDescription": "Delivered"},
                "operator": "",
            }
        }
    }
).encode()


class ReceiverProcess:
    """One receiver on a free port, its log in a file. It has two secrets, and guesses cost nothing."""

    def __init__(self, redis_url: str, log: Path, **settings: str) -> None:
        self.log = log
        environment = {name: value for name, value in os.environ.items() if name not in ("HOST", "PORT")} | {
            "CMQUEUE_REDIS_URL": redis_url,
            "CMQUEUE_RECEIVER_SECRET": f"{SECRET},{NEXT_SECRET}",
            "CMQUEUE_RECEIVER_GUESS_SECONDS": "0",
            "PORT": "0",
            **settings,
        }
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "receivers.webhooks"],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.session = requests.Session()
        self.session.trust_env = False

    def wait(self) -> ReceiverProcess:
        """Return once it serves."""
        eventually(lambda: self.events("receiver.started") or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()
        self.port = int(self.events("receiver.started")[0]["port"])
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The lines of the log, all of them JSON; only those of `names` where any are given."""
        lines = [
            json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line[-1:] == "\n"
        ]
        return [line for line in lines if not names or line["event"] in names]

    def post(
        self,
        body: bytes = REPORT,
        kind: str = "status",
        *,
        secret: str = SECRET,
        query: str = "",
        **headers: str,
    ) -> requests.Response:
        """POST as CM does; keywords are headers with `_` for `-`."""
        return self.ask("POST", f"/cm/{kind}/{secret}{query}", body, **headers)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> requests.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.request(method, self.url + path, data=body, headers=given, timeout=30)

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def terminate(self) -> int:
        """End it in order; its exit code."""
        self.process.terminate()
        return self.process.wait(20)

    def close(self) -> None:
        self.session.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


Start = Callable[..., ReceiverProcess]
Arrived = Callable[[], list[Brought]]


def outbox_on(server: RunningServer) -> Outbox:
    return Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": server.url}))


def taker(outbox: Outbox) -> Arrived:
    """A function that takes all that lies in the inlet of `outbox`."""
    inlet = Inlet(outbox)

    def take() -> list[Brought]:
        found: list[Brought] = []
        while taken := inlet.take("test", 1_000_000):
            inlet.done([one.id for one in taken])
            found += [one.brought for one in taken]
        return found

    return take
