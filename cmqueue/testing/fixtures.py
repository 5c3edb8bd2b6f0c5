"""Fixtures for pytest: `pytest_plugins = ["cmqueue.testing.fixtures"]` in your tests' root.

They are no entry point: that would load the library, and take the name `outbox`, in every run of each
project that has cmqueue installed.

    outbox          a MemoryOutbox, empty
    async_outbox    an AsyncOutbox around the same
    redis_outbox    an Outbox on the Redis of CMQUEUE_TEST_REDIS_URL, emptied before; skips without it
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from redis.connection import parse_url

from cmqueue.async_outbox import AsyncOutbox
from cmqueue.outbox import Outbox
from cmqueue.partition import ROOT
from cmqueue.settings import LibrarySettings
from cmqueue.testing.memory import MemoryOutbox
from cmqueue.wakeup import KEY_PREFIX

TEST_URL, URL = "CMQUEUE_TEST_REDIS_URL", "CMQUEUE_REDIS_URL"


@pytest.fixture
def outbox() -> Iterator[MemoryOutbox]:
    """An outbox in memory, empty."""
    with MemoryOutbox() as made:
        yield made


@pytest.fixture
def async_outbox(outbox: MemoryOutbox) -> AsyncOutbox:
    """The outbox of the test, for asyncio."""
    return AsyncOutbox.of(outbox)


@pytest.fixture
def redis_outbox() -> Iterator[Outbox]:
    """An outbox on a Redis kept for tests. Everything of cmqueue's in that database is deleted first."""
    url = os.environ.get(TEST_URL)
    if not url:
        pytest.skip(f"{TEST_URL} is not set")
    if _place(url) == _place(os.environ.get(URL) or LibrarySettings().redis_url):
        pytest.fail(f"{TEST_URL} is the Redis of {URL}: it would be emptied")
    with Outbox(LibrarySettings.from_env({**os.environ, URL: url, "CMQUEUE_BROKER_URL": ""})) as made:
        client = made.scripts.client
        for prefix in (ROOT, KEY_PREFIX):
            for name in client.scan_iter(f"{prefix}*", count=1000):
                client.unlink(name)
        yield made


def _place(url: str) -> tuple[object, ...]:
    """Which database a URL names, however it is written."""
    parts = parse_url(url)  # type: ignore[no-untyped-call]  # redis-py's
    host = parts.get("host", "localhost")
    return (
        "127.0.0.1" if host == "localhost" else host,
        parts.get("port", 6379),
        parts.get("path"),
        parts.get("db", 0),
    )
