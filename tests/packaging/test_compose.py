"""docker-compose.yml, read by the Compose specification's own schema: no docker runs here to start it."""

from __future__ import annotations

import dataclasses
import json
import re
from importlib import resources
from typing import Any

import jsonschema
import pytest
import yaml
from harness import ROOT, TOKEN

from cmqueue.settings import LibrarySettings
from config.errands import ErrandSettings
from config.intake import IntakeSettings
from config.receiver import ReceiverSettings
from config.reference import variables
from config.settings import WorkerSettings

FILE = ROOT / "docker-compose.yml"
REFERENCE = re.compile(r"\$\{([A-Z_]+)(?:(:?[-?])([^}]*))?\}")
OPERATOR = {"CMQUEUE_PRODUCT_TOKEN": TOKEN}


class Missing(Exception):
    """A variable that the file demands is not set."""


def interpolated(text: str, env: dict[str, str]) -> str:
    """`text` with `${X}`, `${X:-default}` and `${X:?what is missing}` filled in, as Compose does."""

    def fill(found: re.Match[str]) -> str:
        name, operator, rest = found.groups()
        value = env.get(name, "")
        if value:
            return value
        if operator and "?" in operator:
            raise Missing(f"{name}: {rest}")
        return rest or ""

    return REFERENCE.sub(fill, text)


@pytest.fixture
def compose() -> dict[str, Any]:
    """The file as an operator runs it who set nothing but the product token."""
    found: dict[str, Any] = yaml.safe_load(interpolated(FILE.read_text(), OPERATOR))
    return found


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def test_the_file_is_what_the_compose_specification_allows(compose: dict[str, Any]) -> None:
    """It validates against the schema that the Compose specification publishes."""
    place = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"

    jsonschema.validate(compose, json.loads(place.read_text()))


def test_the_product_token_is_demanded() -> None:
    """Without a token nothing starts, and the message says which variable is missing."""
    with pytest.raises(Missing, match="CMQUEUE_PRODUCT_TOKEN"):
        interpolated(FILE.read_text(), {})


def test_the_worker_can_be_scaled(compose: dict[str, Any]) -> None:
    """Neither a name nor a port of its own keeps a second worker from starting."""
    assert set() == compose["services"]["worker"].keys() & {"container_name", "ports", "hostname"}


def test_redis_keeps_what_it_took(compose: dict[str, Any]) -> None:
    """Redis writes an append-only file to a volume and evicts nothing."""
    redis = compose["services"]["redis"]
    command = dict(zip(redis["command"][1::2], redis["command"][2::2], strict=True))

    assert ("yes", "noeviction") == (command["--appendonly"], command["--maxmemory-policy"])
    assert ["redis-data:/data"] == redis["volumes"]
    assert "redis-data" in compose["volumes"]


def test_a_stopping_worker_has_time_for_its_answer(compose: dict[str, Any]) -> None:
    """Docker waits longer than a POST may take before it kills a worker."""
    defaults = WorkerSettings()

    assert defaults.connect_timeout + defaults.read_timeout + 5 <= seconds(
        compose["services"]["worker"]["stop_grace_period"]
    )


def test_every_setting_reaches_the_worker(compose: dict[str, Any]) -> None:
    """Each variable that the worker reads can be set from outside the container."""
    read = {name for name, kind in variables().items() if issubclass(ErrandSettings, kind)}

    assert set() == read - compose["services"]["worker"]["environment"].keys()


def test_every_setting_of_its_own_reaches_the_intake(compose: dict[str, Any]) -> None:
    """Each variable that the intake adds to the worker's can be set from outside the container."""
    read = _read_by(IntakeSettings) - _read_by(WorkerSettings)

    assert set() == read - compose["services"]["intake"]["environment"].keys()


def test_every_setting_reaches_the_receiver_and_no_token(compose: dict[str, Any]) -> None:
    """Each variable that the receiver reads can be set from outside; CM's tokens are kept from it."""
    environment = compose["services"]["receiver"]["environment"].keys()

    assert set() == _read_by(ReceiverSettings) - environment
    assert set() == {"CMQUEUE_PRODUCT_TOKEN", "CMQUEUE_ACCOUNTS"} & environment


def _read_by(kind: type[LibrarySettings]) -> set[str]:
    return {field.metadata["name"] for field in dataclasses.fields(kind) if "name" in field.metadata}


def test_the_programs_wait_for_a_healthy_redis(compose: dict[str, Any]) -> None:
    """Worker, intake and receiver start when Redis answers."""
    for program in ("worker", "intake", "receiver"):
        assert {"redis": {"condition": "service_healthy"}} == compose["services"][program]["depends_on"]
    assert "healthcheck" in compose["services"]["redis"]
