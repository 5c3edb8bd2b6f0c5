"""pytest's fixtures, in a project of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness import ROOT

from cmqueue import Outbox
from demo.valkey import RunningServer

CONFTEST = 'pytest_plugins = ["cmqueue.testing.fixtures"]\n'
TESTS = """
import asyncio
import pytest

HELLO = {"sender": "Acme", "to": "+31600000001", "text": "hi"}


@pytest.mark.parametrize("turn", [1, 2])
def test_memory_is_empty(outbox, turn):
    outbox.enqueue(HELLO)
    assert 1 == len(outbox.messages)


def test_async(outbox, async_outbox):
    asyncio.run(async_outbox.enqueue(HELLO))
    assert 1 == len(outbox.messages)


@pytest.mark.parametrize("turn", [1, 2])
def test_redis(redis_outbox, turn):
    redis_outbox.enqueue(HELLO)
    assert 1 == redis_outbox.audit().enqueued
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A web app's tests."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_app.py").write_text(TESTS)
    return tmp_path


def said_by(project: Path, **variables: str) -> str:
    """What a run of its tests says last."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout


def test_they_need_no_redis(project: Path) -> None:
    """Each test gets an empty outbox; what wants a real one is skipped."""
    assert "3 passed, 2 skipped" in said_by(project)


def test_a_real_one_is_emptied_first(project: Path, outbox: Outbox, valkey: RunningServer) -> None:
    """Of what is cmqueue's, and of nothing else."""
    outbox.enqueue({"sender": "Acme", "to": "+31600000001", "text": "hi"})
    outbox.scripts.client.set("the app's own", "1")

    assert "5 passed" in said_by(project, CMQUEUE_TEST_REDIS_URL=valkey.url)
    assert b"1" == outbox.scripts.client.get("the app's own")


def test_the_apps_redis_is_left_alone(project: Path, outbox: Outbox, valkey: RunningServer) -> None:
    """However its URL is written."""
    outbox.enqueue({"sender": "Acme", "to": "+31600000001", "text": "hi"})
    url = valkey.url.replace("127.0.0.1", "localhost").removesuffix("/0")

    said = said_by(project, CMQUEUE_REDIS_URL=valkey.url, CMQUEUE_TEST_REDIS_URL=url)

    assert "it would be emptied" in said
    assert 1 == outbox.audit().enqueued
