"""The example apps as processes, each by the server that its framework's developers use."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from harness import ROOT, eventually

APPS = ("django", "flask", "fastapi")


def commands(app: str, port: int) -> list[list[str]]:
    """What starts it; the last one serves."""
    match app:
        case "django":
            manage = ["examples.django_app.manage"]
            serve = ["runserver", f"127.0.0.1:{port}", "--noreload"]
            return [[*manage, "migrate", "--run-syncdb", "--verbosity=0"], [*manage, *serve]]
        case "flask":
            return [["flask", "--app", "examples.flask_app.app", "run", f"--port={port}"]]
        case _:
            return [["uvicorn", "examples.fastapi_app.app:app", f"--port={port}"]]


class RunningApp:
    """One app, asked over real sockets."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def post(self, path: str, **document: str) -> requests.Response:
        return self._session.post(f"{self.url}{path}", json=document, timeout=30)

    def get(self, path: str) -> Any:
        return self._session.get(f"{self.url}{path}", timeout=30).json()

    def close(self) -> None:
        self._session.close()


@contextmanager
def running(app: str, folder: Path, redis_url: str) -> Iterator[RunningApp]:
    """The app in a process of its own, with its database in `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "CMQUEUE_REDIS_URL": redis_url,
        "EXAMPLE_DATABASE": str(folder / f"{app}.sqlite3"),
        "PYTHONUNBUFFERED": "1",
    }
    *before, serve = ([sys.executable, "-m", *command] for command in commands(app, port))
    for command in before:
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
    log = folder / f"{app}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            serve, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )
    found = RunningApp(f"http://127.0.0.1:{port}")
    try:
        eventually(lambda: listens(port) or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield found
    finally:
        found.close()
        process.terminate()
        process.wait(20)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
