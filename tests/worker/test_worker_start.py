"""A worker refuses to start on what would lose or double messages, and says which setting to change."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from harness import ROOT, TOKEN

from cmqueue import SettingsError
from config.settings import WorkerSettings
from demo.valkey import RunningServer, running
from worker.gateway import endpoint_url

GOOD = {"CMQUEUE_PRODUCT_TOKEN": TOKEN}

WRONG: list[tuple[str, dict[str, str]]] = [
    ("CMQUEUE_PRODUCT_TOKEN", {"CMQUEUE_PRODUCT_TOKEN": TOKEN.replace("-", "")}),
    ("CMQUEUE_ACCOUNTS", {"CMQUEUE_ACCOUNTS": '{"a": "11111111111111111111111111111111"}'}),
    ("CMQUEUE_ACCOUNTS", {"CMQUEUE_ACCOUNTS": "secret, not JSON"}),
    ("CMQUEUE_ENDPOINT", {"CMQUEUE_ENDPOINT": "http://gw.example.org/v1.0/message"}),
    ("CMQUEUE_ENDPOINT", {"CMQUEUE_ENDPOINT": "ftp://127.0.0.1/"}),
    ("CMQUEUE_LEASE_SECONDS", {"CMQUEUE_LEASE_SECONDS": "37"}),
    ("CMQUEUE_LEASE_SECONDS", {"CMQUEUE_READ_TIMEOUT": "60"}),
    ("CMQUEUE_DEAD_RETENTION_SECONDS", {"CMQUEUE_RETENTION_SECONDS": "86400"}),
    ("CMQUEUE_BATCH_SIZE", {"CMQUEUE_BATCH_SIZE": "1001"}),
    ("CMQUEUE_BATCH_SIZE", {"CMQUEUE_BATCH_SIZE": "many"}),
    ("CMQUEUE_RETRY_SCHEDULE", {"CMQUEUE_RETRY_SCHEDULE": "5,-1"}),
    ("CMQUEUE_REDIS_URL", {"CMQUEUE_REDIS_URL": "http://127.0.0.1"}),
    ("CMQUEUE_ONLY_TO", {"CMQUEUE_ONLY_TO": "everyone"}),
    ("CMQUEUE_SECRET_KEY", {"CMQUEUE_SECRET_KEY": "short"}),
    ("CMQUEUE_LOG_LEVEL", {"CMQUEUE_LOG_LEVEL": "loud"}),
    ("CMQUEUE_MAX_AMBIGUOUS", {"CMQUEUE_MAX_AMBIGUOUS": "-7"}),
]


def start(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A worker that is expected to end at once."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "celery", "-A", "worker", "worker", *arguments],
        cwd=ROOT, env=os.environ | GOOD | variables, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("variable", "environment"), WRONG, ids=lambda value: "" if isinstance(value, dict) else value
)
def test_a_wrong_setting_names_its_variable(variable: str, environment: dict[str, str]) -> None:
    """Each wrong value is refused by the variable's name, and is not shown."""
    with pytest.raises(SettingsError) as caught:
        endpoint_url(WorkerSettings.from_env(GOOD | environment).demand_tokens().endpoint)

    assert variable == caught.value.variable
    for name, value in environment.items():
        if name not in ("CMQUEUE_LEASE_SECONDS", "CMQUEUE_READ_TIMEOUT", "CMQUEUE_RETENTION_SECONDS"):
            assert value not in str(caught.value)


def test_the_dead_may_be_kept_as_long_as_their_rows() -> None:
    """The default keeps them shorter; a shorter retention needs both set."""
    day = {"CMQUEUE_RETENTION_SECONDS": "86400", "CMQUEUE_DEAD_RETENTION_SECONDS": "86400"}

    assert 86400 == WorkerSettings.from_env(GOOD | day).dead_retention_seconds


def test_settings_do_not_show_secrets() -> None:
    """The repr of the settings holds neither token nor key nor the URL that may hold a password."""
    settings = WorkerSettings.from_env(
        GOOD
        | {
            "CMQUEUE_SECRET_KEY": "marked-secret-key-of-ours",
            "CMQUEUE_REDIS_URL": "redis://:marked-password@127.0.0.1/0",
            "CMQUEUE_ACCOUNTS": '{"second": "11111111-1111-1111-1111-222222222222"}',
        }
    )

    shown = repr(settings)
    for secret in (TOKEN, "marked", "222222222222"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("variable", "environment"),
    [WRONG[0], WRONG[3], WRONG[5], WRONG[7]],
    ids=["token", "endpoint", "lease", "batch"],
)
def test_a_worker_does_not_start_on_a_wrong_setting(variable: str, environment: dict[str, str]) -> None:
    """The real program ends with a status other than 0 and one line that names the variable."""
    ended = start(**environment)

    assert 0 != ended.returncode
    assert variable in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_worker_without_a_token_does_not_start(valkey: RunningServer) -> None:
    """Nothing can be delivered without one: the line says which variable to set."""
    ended = start(CMQUEUE_PRODUCT_TOKEN="", CMQUEUE_REDIS_URL=valkey.url)

    assert (True, True) == (ended.returncode != 0, "CMQUEUE_PRODUCT_TOKEN" in ended.stderr)


def test_a_worker_refuses_a_lane_that_does_not_exist(valkey: RunningServer) -> None:
    """-Q with an unknown lane is refused by name, rather than serving nothing."""
    ended = start("-Q", "urgnet", CMQUEUE_REDIS_URL=valkey.url)

    assert (True, True) == (ended.returncode != 0, "urgnet" in ended.stderr)


def test_a_worker_refuses_a_redis_that_evicts() -> None:
    """A Redis that may throw keys away would lose messages."""
    with running("--save", "", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru") as server:
        ended = start(CMQUEUE_REDIS_URL=server.url)

    assert (True, True) == (ended.returncode != 0, "noeviction" in ended.stderr)


def test_a_worker_with_another_key_does_not_start(outbox: Any, valkey: RunningServer) -> None:
    """Two keys would name one message twice: the second process refuses, naming the variable."""
    assert outbox.registry.key
    ended = start(CMQUEUE_REDIS_URL=valkey.url, CMQUEUE_SECRET_KEY="quite another key than that")

    assert (True, True) == (ended.returncode != 0, "CMQUEUE_SECRET_KEY" in ended.stderr)
