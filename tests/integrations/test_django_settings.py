"""Django: where the settings come from, what checks say of them, and the command line."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings

from cmqueue import Outbox, SettingsError
from cmqueue.integrations.django import WrongSetting, get_outbox, use
from cmqueue.testing import MemoryOutbox
from demo.valkey import RunningServer


def told(**settings: Any) -> Any:
    """The library's settings under these of Django's."""
    with override_settings(**settings):
        return get_outbox().settings


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The outbox of one test is not the next one's."""
    yield
    with override_settings(CMQUEUE={}):
        pass


def test_the_dict_goes_before_names_and_both_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each setting by itself."""
    monkeypatch.setenv("CMQUEUE_REDIS_TIMEOUT", "7")
    monkeypatch.setenv("CMQUEUE_SHARDS", "7")
    monkeypatch.setenv("CMQUEUE_RETENTION_SECONDS", "700")

    found = told(CMQUEUE={"REDIS_TIMEOUT": 1.5}, CMQUEUE_REDIS_TIMEOUT=3, CMQUEUE_SHARDS=3)

    assert (1.5, 3, 700) == (found.redis_timeout, found.shards, found.retention_seconds)


def test_none_leaves_it_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `os.environ.get` gives it."""
    monkeypatch.setenv("CMQUEUE_DEFAULT_REGION", "NL")

    assert "NL" == told(CMQUEUE={"DEFAULT_REGION": None}).default_region


def test_several_keys_are_a_list() -> None:
    """What the environment writes with commas."""
    keys = ["new secret of the tests", "old secret of the tests"]

    assert tuple(key.encode() for key in keys) == told(CMQUEUE={"SECRET_KEY": keys}).secret_keys


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"CMQUEUE": {"REDIS_TIMEOUT": "soon"}}, "CMQUEUE['REDIS_TIMEOUT']"),
        ({"CMQUEUE": {"REDIS_TIMEOUT": True}}, "CMQUEUE['REDIS_TIMEOUT']"),
        ({"CMQUEUE_REDIS_TIMEOUT": 1000}, "CMQUEUE_REDIS_TIMEOUT"),
        ({"CMQUEUE": {"REDIS": "redis://127.0.0.1"}}, "CMQUEUE['REDIS']"),
        ({"CMQUEUE": {"PRODUCT_TOKEN": "secret"}}, "CMQUEUE['PRODUCT_TOKEN']"),
        ({"CMQUEUE": "redis://127.0.0.1"}, "CMQUEUE"),
        ({"CMQUEUE": {"SECRET_KEY": "short"}}, "CMQUEUE['SECRET_KEY']"),
    ],
)
def test_a_refusal_names_the_setting(settings: dict[str, Any], named: str) -> None:
    """As it stands in the settings module, and shows no value."""
    with pytest.raises(WrongSetting) as raised:
        told(**settings)

    assert named == raised.value.variable
    assert isinstance(raised.value, SettingsError)
    assert isinstance(raised.value, ImproperlyConfigured)
    assert "secret" not in raised.value.problem


def test_a_wrong_variable_is_named_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one who set it reads the name that he knows."""
    monkeypatch.setenv("CMQUEUE_SHARDS", "many")

    with pytest.raises(WrongSetting) as raised:
        told(CMQUEUE={})
    assert "CMQUEUE_SHARDS" == raised.value.variable


def test_one_outbox_serves_the_process() -> None:
    """Made at the first call; a test that changes a setting gets another."""
    first = get_outbox()
    assert first is get_outbox()

    with override_settings(CMQUEUE={"SHARDS": 4}):
        assert 4 == get_outbox().settings.shards
    assert 1 == get_outbox().settings.shards


def test_a_test_puts_its_own_in_place(memory: MemoryOutbox) -> None:
    """For a while."""
    with use(memory):
        assert memory is get_outbox()

    assert memory is not get_outbox()


# --- system checks -----------------------------------------------------------------------------------------


def checked(*, deploy: bool = False) -> list[str]:
    messages = run_checks(tags=["cmqueue"], include_deployment_checks=deploy)
    return [f"{message.id}: {message.msg}" for message in messages]


def test_a_good_installation_passes() -> None:
    """Without a word."""
    with override_settings(CMQUEUE={"REDIS_URL": "redis://127.0.0.1:6390/0"}):
        assert [] == checked(deploy=True)


def test_a_wrong_setting_is_an_error() -> None:
    """By its name."""
    with override_settings(CMQUEUE={"REDIS_TIMEOUT": "soon"}):
        (error,) = checked()

    assert error.startswith("cmqueue.E001: CMQUEUE['REDIS_TIMEOUT']: must be")


def test_an_unknown_name_is_a_warning() -> None:
    """It may be a slip of the pen."""
    with override_settings(CMQUEUE_REDIS="redis://127.0.0.1"):
        assert ["cmqueue.W001: CMQUEUE_REDIS is no setting of cmqueue."] == checked()


def test_a_deployment_says_where_its_redis_is() -> None:
    """The default is for a developer's machine."""
    (warning,) = checked(deploy=True)

    assert warning.startswith("cmqueue.W002")
    assert [] == checked()


# --- the command -------------------------------------------------------------------------------------------


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("cmqueue", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_has_djangos_settings(outbox: Outbox, valkey: RunningServer) -> None:
    """What it sends lies where the web app's messages lie; and it leaves environment and log as they were."""
    before, logger = os.environ.copy(), logging.getLogger("cmqueue")
    handlers, propagate = logger.handlers, logger.propagate
    with override_settings(CMQUEUE={"REDIS_URL": valkey.url}):
        id = command("send", "--from", "Acme", "--to", "+31600000001", "hi").strip()
        told = json.loads(command("status", id, "--json"))

    assert (id, "queued") == (told["id"], told["state"])
    assert 1 == outbox.audit().enqueued
    assert (before, handlers, propagate) == (os.environ.copy(), logger.handlers, logger.propagate)


def test_what_the_command_refuses_is_an_error(valkey: RunningServer, outbox: Outbox) -> None:
    """With the exit code of the command line."""
    with override_settings(CMQUEUE={"REDIS_URL": valkey.url}):
        for code, arguments in ((1, ("status", "A" * 26)), (2, ("send", "hi"))):
            with pytest.raises(CommandError) as raised:
                command(*arguments)
            assert code == raised.value.returncode
