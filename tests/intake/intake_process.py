"""A real `python -m producers.intake`, and what tests ask it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests
from harness import ROOT, TOKEN, eventually

OTHER_TOKEN = "22222222-2222-2222-2222-222222222222"


class IntakeProcess:
    """One intake on a free port, its log in a file."""

    def __init__(self, redis_url: str, log: Path, **settings: str) -> None:
        self.log = log
        environment = {name: value for name, value in os.environ.items() if name not in ("HOST", "PORT")} | {
            "CMQUEUE_REDIS_URL": redis_url,
            "CMQUEUE_ACCOUNTS": json.dumps({"default": TOKEN, "second": OTHER_TOKEN}),
            "PORT": "0",
            "CMQUEUE_INTAKE_GUESS_SECONDS": "0",  # wrong tokens are many here
            **settings,
        }
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "producers.intake"],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.session = requests.Session()
        self.session.trust_env = False

    def wait(self) -> IntakeProcess:
        """Return once it serves."""
        eventually(lambda: self.events("intake.started") or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()
        self.port = int(self.events("intake.started")[0]["port"])
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The lines of the log, all of them JSON; only those of `names` where any are given."""
        lines = [
            json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line[-1:] == "\n"
        ]
        return [line for line in lines if not names or line["event"] in names]

    def post(
        self, document: object = None, *, body: bytes | None = None, token: str | None = TOKEN, **headers: str
    ) -> requests.Response:
        """POST a request of CM's; keywords are headers with `_` for `-`."""
        given = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if token is not None:
            given["X-CM-PRODUCTTOKEN"] = token
        return self.session.post(
            f"{self.url}/v1.0/message",
            data=json.dumps(document).encode() if body is None else body,
            headers=given,
            timeout=30,
        )

    def terminate(self) -> int:
        """End it in order; its exit code."""
        self.process.terminate()
        return self.process.wait(20)

    def close(self) -> None:
        self.session.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


def msg(*numbers: str, text: str = "Hello", sender: str = "Acme", **more: Any) -> dict[str, Any]:
    """One item of `msg`."""
    return {
        "from": sender,
        "to": [{"number": number} for number in numbers],
        "body": {"type": "auto", "content": text},
        **more,
    }


def request_of(*messages: object) -> dict[str, Any]:
    """A whole request."""
    return {"messages": {"msg": list(messages)}}


def rows_of(answer: requests.Response) -> list[tuple[str | None, str, int]]:
    """Recipient, status and code of each row of an answer."""
    return [(row["to"], row["status"], row["messageErrorCode"]) for row in answer.json()["messages"]]
