"""`make demo` as a visitor runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
import redis
from harness import ROOT, descendants, eventually

pytestmark = pytest.mark.slow


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return not state.startswith("Z") and bool(state)


def test_the_demo_proves_itself_and_leaves_nothing_behind() -> None:
    """Exit status 0, a table of outcomes that adds up to 10,000, and every process that it started gone."""
    seen: set[int] = set()
    with subprocess.Popen(
        [sys.executable, "-m", "demo"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as demo:
        while demo.poll() is None:
            seen |= descendants(demo.pid)
            time.sleep(0.2)
        assert demo.stdout is not None
        output = demo.stdout.read()

    assert 0 == demo.returncode, output
    assert len(seen) >= 5
    assert [] == [pid for pid in seen if alive(pid)]
    for outcome in (
        "accepted", "delivered", "read", "failed", "rejected", "cancelled", "expired", "suppressed",
        "10,000 were enqueued", "3 message.suppressed, 1 optout.received",
    ):  # fmt: skip
        assert outcome in output


def test_a_killed_demo_takes_its_programs_with_it() -> None:
    """Not even SIGKILL leaves a server, a sandbox or a worker behind."""
    demo = subprocess.Popen([sys.executable, "-m", "demo", "--stay"], cwd=ROOT, stdout=subprocess.DEVNULL)
    seen: set[int] = set()
    try:
        eventually(lambda: len(seen.__ior__(descendants(demo.pid))) >= 6, 60)
    finally:
        demo.send_signal(signal.SIGKILL)
        demo.wait()

    eventually(lambda: not [pid for pid in seen if alive(pid)], 30)


def test_the_embedded_server_ends_with_its_owner() -> None:
    """A server whose owner is killed stops, though it is not the owner's child."""
    script = """
import time
from demo.valkey import running
with running() as server:
    print(server.port, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        port = int(owner.stdout.readline())
        owner.kill()

    def gone() -> bool:
        try:
            with redis.Redis(port=port) as client:
                client.ping()
        except redis.RedisError:
            return True
        return False

    eventually(gone, 15)
