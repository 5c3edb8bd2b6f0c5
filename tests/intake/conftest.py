"""An intake for the tests of a module, and the outbox behind it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from intake_process import IntakeProcess

from cmqueue import Lane, Outbox
from cmqueue.claim import Batch
from cmqueue.job import Job
from cmqueue.settings import LibrarySettings
from demo.valkey import RunningServer

Claimed = Callable[..., list[Job]]


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
