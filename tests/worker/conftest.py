"""A sandbox for the worker's tests, and the way they start a worker against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from harness import Run, WorkerProcess

from cmqueue import Outbox
from demo.valkey import RunningServer
from sandbox.running import SandboxClient, running

#: Windows short enough to wait for.
QUICK = {
    "CMQUEUE_CONNECT_TIMEOUT": "1",
    "CMQUEUE_READ_TIMEOUT": "2",
    "CMQUEUE_LEASE_SECONDS": "6",
    "CMQUEUE_RECONCILE_SECONDS": "2",
    "CMQUEUE_RETRY_SCHEDULE": "1,1,1",
    "CMQUEUE_OVERLOAD_FLOOR": "1",
    "CMQUEUE_PROBE_SECONDS": "1",
}


@pytest.fixture(scope="session")
def one_sandbox() -> Iterator[SandboxClient]:
    with running(seed=1) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(one_sandbox: SandboxClient) -> SandboxClient:
    """The sandbox, with nothing counted and no fault in force."""
    one_sandbox.reset()
    return one_sandbox


@pytest.fixture
def run(
    outbox: Outbox, valkey: RunningServer, sandbox: SandboxClient, start_worker: Callable[..., WorkerProcess]
) -> Run:
    """Starts a worker on the test's outbox and sandbox; keywords override its settings."""

    def start(*arguments: str, **settings: str) -> WorkerProcess:
        return start_worker(valkey.url, sandbox.endpoint, *arguments, **(QUICK | settings))

    return start
