"""The command, in a process of its own, against the embedded server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import ANSWERED, End, Run, here
from harness import COMMAND, Ran
from zygote import Zygote

from cmqueue import Outbox
from cmqueue.claim import Batch
from cmqueue.gate import Endpoint, GateRules
from cmqueue.lane import Lane
from cmqueue.settlement import Settlement
from demo.valkey import RunningServer


@pytest.fixture
def run_command(valkey: RunningServer, outbox: Outbox, tmp_path: Path) -> Run:
    """A function that runs the installed `cmqueue ARGUMENT...`; settings are keywords."""

    def call(*arguments: str, stdin: bytes = b"", **settings: str) -> Ran:
        environment = os.environ | here(valkey) | {"PYTHONWARNINGS": "error"} | settings
        ended = subprocess.run(
            [COMMAND, *arguments],
            env=environment,
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            timeout=30,
            check=False,
        )
        return Ran(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    return call


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """The process that the commands of `run` are forked from."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", Path(__file__).parent / "zygote.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Zygote(process)


@pytest.fixture
def run(valkey: RunningServer, outbox: Outbox, tmp_path: Path, zygote: Zygote) -> Run:
    """As `run_command`, without the time to start: a fork of one that has."""

    def call(*arguments: str, stdin: bytes = b"", **settings: str) -> Ran:
        code = zygote.run(tmp_path, arguments, here(valkey) | settings, stdin)
        return Ran(code, (tmp_path / "out").read_text(), (tmp_path / "err").read_text())

    return call


@pytest.fixture
def end(outbox: Outbox) -> End:
    """A function that takes all messages of a lane out and ends them as `settlement`."""

    def settle(
        settlement: Settlement,
        lane: Lane = Lane.NORMAL,
        endpoint: Endpoint = ANSWERED,
        *,
        stop_lane: bool = False,
    ) -> None:
        partition = outbox.registry.partition("default")
        claim, _ = partition.claim(os.urandom(4).hex(), [lane], lease=60)
        assert isinstance(claim, Batch)
        partition.mark(claim.id, lease=60, earliest_expiry=0)
        settlements = [settlement] * len(claim.jobs)
        assert partition.settle(claim.id, settlements, endpoint, GateRules(), stop_lane=stop_lane) == 0

    return settle
