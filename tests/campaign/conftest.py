"""`cmqueue` in a fork that has imported everything, and as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from campaigns import OPEN, Command
from cli.zygote import Zygote
from harness import COMMAND, ROOT, Ran

from cmqueue import Outbox
from demo.valkey import RunningServer


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """The files that the test opened are closed at its end."""
    yield
    while OPEN:
        OPEN.pop().close()


@pytest.fixture(scope="session")
def import_zygote() -> Iterator[Zygote]:
    """The process that the commands of `run` are forked from."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", ROOT / "tests" / "cli" / "zygote.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Zygote(process)


@pytest.fixture
def run(valkey: RunningServer, outbox: Outbox, tmp_path: Path, import_zygote: Zygote) -> Command:
    """A function that runs `cmqueue ARGUMENT...` in the test's folder; settings are keywords."""

    def call(*arguments: str, stdin: bytes = b"", **settings: str) -> Ran:
        settings = {"CMQUEUE_REDIS_URL": valkey.url} | settings
        code = import_zygote.run(tmp_path, arguments, settings, stdin)
        return Ran(code, (tmp_path / "out").read_text(), (tmp_path / "err").read_text())

    return call


@pytest.fixture
def start(
    valkey: RunningServer, outbox: Outbox, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """A function that starts `cmqueue ARGUMENT...` as a process; its settings are those of `outbox`."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str, **popen: object) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "CMQUEUE_REDIS_URL": valkey.url,
            "CMQUEUE_REDIS_TIMEOUT": "0.5",
            "TMPDIR": str(tmp_path / "tmp"),
        }
        (tmp_path / "tmp").mkdir(exist_ok=True)
        settings: dict[str, object] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        } | popen
        process = subprocess.Popen([COMMAND, *arguments], cwd=tmp_path, env=environment, **settings)  # type: ignore[call-overload]
        started.append(process)
        return process  # type: ignore[no-any-return]

    yield begin
    for process in started:
        process.kill()
        process.wait(10)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
