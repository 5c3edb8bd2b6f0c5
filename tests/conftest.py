"""What every test may ask for: a real Redis-protocol server, an outbox on it, and worker processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import TOKEN, WorkerProcess
from hypothesis import HealthCheck, settings

from cmqueue import Outbox
from cmqueue.partition import Partition
from cmqueue.settings import LibrarySettings
from demo.valkey import RunningServer, running

DEBIAN_REDIS = shutil.which("redis-server")

settings.register_profile(
    "cmqueue",
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("cmqueue")

# The machine's own CMQUEUE_ variables must not reach a test.
for _name in [name for name in os.environ if name.startswith("CMQUEUE_")]:
    del os.environ[_name]


@pytest.fixture(scope="session")
def valkey() -> Iterator[RunningServer]:
    """The embedded server, one for the whole run."""
    with running() as server:
        yield server


@pytest.fixture
def private_valkey() -> Iterator[RunningServer]:
    """A server of the test's own, for programs that could outlive it."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def debian_redis() -> Iterator[RunningServer]:
    """Debian's redis-server where it is installed."""
    if DEBIAN_REDIS is None:
        pytest.skip("redis-server is not installed")
    with running(binary=DEBIAN_REDIS) as server:
        yield server


@pytest.fixture(params=["valkey", pytest.param("debian_redis", id="redis")])
def server(request: pytest.FixtureRequest) -> RunningServer:
    """Each real server in turn: for tests of the scripts."""
    return request.getfixturevalue(request.param)


def _fresh(server: RunningServer) -> Iterator[Outbox]:
    with Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": server.url})) as outbox:
        outbox.scripts.client.flushall()
        yield outbox


@pytest.fixture
def outbox(valkey: RunningServer) -> Iterator[Outbox]:
    """An empty outbox on the embedded server."""
    yield from _fresh(valkey)


@pytest.fixture
def each_outbox(server: RunningServer) -> Iterator[Outbox]:
    """An empty outbox on each real server in turn."""
    yield from _fresh(server)


@pytest.fixture
def partition(each_outbox: Outbox) -> Partition:
    """The default account's partition, on each real server in turn."""
    return each_outbox.registry.partition("default")


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """A function that starts workers: `start_worker(redis_url, endpoint, *arguments, CMQUEUE_X=...)`."""
    started: list[WorkerProcess] = []

    def start(redis_url: str, endpoint: str, *arguments: str, **settings: str) -> WorkerProcess:
        environment = os.environ | {
            "CMQUEUE_REDIS_URL": redis_url,
            "CMQUEUE_PRODUCT_TOKEN": TOKEN,
            "CMQUEUE_ENDPOINT": endpoint,
            **settings,
        }
        worker = WorkerProcess(environment, tmp_path / f"worker{len(started)}.log", *arguments)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()
