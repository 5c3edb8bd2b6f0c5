"""A receiver for the tests of a module, and the inlet behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from receiver_process import Arrived, ReceiverProcess, Start, outbox_on, taker

from cmqueue.inlet import INLET
from demo.valkey import RunningServer, running


@pytest.fixture(scope="module")
def receiver(valkey: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReceiverProcess]:
    """A receiver process with the defaults, but for what its class says."""
    process = ReceiverProcess(valkey.url, tmp_path_factory.mktemp("receiver") / "log")
    try:
        yield process.wait()
    finally:
        process.close()


@pytest.fixture
def arrived(valkey: RunningServer) -> Iterator[Arrived]:
    """A function that takes all that lies in the inlet; what lay there before the test is gone."""
    with outbox_on(valkey) as outbox:
        outbox.scripts.client.delete(INLET)
        yield taker(outbox)


@pytest.fixture
def own_redis() -> Iterator[RunningServer]:
    """A server that a test may stop, fill and pause, with a file of what was written."""
    with running("--appendonly", "yes", "--appendfsync", "everysec", "--save", "") as server:
        yield server


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts a receiver and ends it after the test: `start(redis_url, CMQUEUE_X=...)`."""
    started: list[ReceiverProcess] = []

    def begin(redis_url: str, **settings: str) -> ReceiverProcess:
        started.append(ReceiverProcess(redis_url, tmp_path / f"log{len(started)}", **settings))
        return started[-1].wait()

    yield begin
    for process in started:
        process.close()
