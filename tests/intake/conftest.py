"""An intake for the tests of a module, and the outbox behind it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from intake_process import IntakeProcess
from javascript import installed

from cmqueue import Lane, Outbox
from cmqueue.claim import Batch
from cmqueue.job import Job
from cmqueue.settings import LibrarySettings
from demo.valkey import RunningServer, running

Claimed = Callable[..., list[Job]]
Start = Callable[..., IntakeProcess]


@pytest.fixture(scope="module")
def queue(valkey: RunningServer) -> Iterator[Outbox]:
    """An outbox, empty at the beginning of the module."""
    with Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": valkey.url})) as outbox:
        outbox.scripts.client.flushall()
        yield outbox


@pytest.fixture(scope="module")
def intake(
    valkey: RunningServer, queue: Outbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IntakeProcess]:
    """An intake process in front of `queue`."""
    process = IntakeProcess(valkey.url, tmp_path_factory.mktemp("intake") / "log")
    try:
        yield process.wait()
    finally:
        process.close()


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RunningServer]:
    """A server that a module's tests may stop, fill and pause."""
    with running() as server:
        yield server


@pytest.fixture
def own_queue(own_redis: RunningServer) -> Iterator[Outbox]:
    """An empty outbox on it."""
    with Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": own_redis.url})) as outbox:
        outbox.scripts.client.flushall()
        yield outbox


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts an intake and ends it after the test: `start(redis_url, CMQUEUE_X=...)`."""
    started: list[IntakeProcess] = []

    def begin(redis_url: str, **settings: str) -> IntakeProcess:
        started.append(IntakeProcess(redis_url, tmp_path / f"log{len(started)}", **settings))
        return started[-1].wait()

    yield begin
    for process in started:
        process.close()


@pytest.fixture
def claimed(queue: Outbox) -> Claimed:
    """A function that takes all that waits out of an account's lane; what waited before the test is gone."""

    def take(account: str = "default", lane: Lane = Lane.NORMAL) -> list[Job]:
        found: list[Job] = []
        partition = queue.registry.partition(account)
        while True:
            batch, _ = partition.claim(secrets.token_hex(6), [lane], lease=600, max_ambiguous=10**9)
            if not isinstance(batch, Batch):
                return found
            found += map(Job.unpack, batch.jobs)

    for account in ("default", "second"):
        for lane in Lane:
            take(account, lane)
    return take


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Where CM's JavaScript client is installed; without it the test is skipped."""
    return installed()
