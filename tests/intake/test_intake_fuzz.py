"""The running intake, fuzzed by its own description: no 5xx, and every answer as described."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from harness import TOKEN
from hypothesis import HealthCheck, Phase, given, settings
from intake_process import IntakeProcess
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

EXAMPLES = 8
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
TAKING = [
    ("POST", "/v1.0/message"),
    ("GET", "/v1/messages/{id}"),
    ("GET", "/v1/messages/{id}/explain"),
    ("POST", "/v1/messages/{id}/cancel"),
    ("POST", "/v1/messages/status"),
]
PLAIN = [
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
]  # they take nothing


@pytest.fixture(scope="module")
def described(intake: IntakeProcess) -> Any:
    """The intake's description, read as any client would."""
    return schemathesis.openapi.from_url(f"{intake.url}/openapi.json")


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [(*operation, mode) for operation in TAKING for mode in GenerationMode]
    + [(*operation, GenerationMode.POSITIVE) for operation in PLAIN],
)
def test_any_request_gets_a_described_answer(
    described: Any, intake: IntakeProcess, method: str, path: str, mode: GenerationMode
) -> None:
    """What fits the description and what does not, with a token and without."""
    operation = described[path][method]

    @settings(
        max_examples=EXAMPLES if (method, path) in TAKING else 1,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        for headers in ({"X-CM-PRODUCTTOKEN": TOKEN}, {}):
            response = case.call(headers=headers, session=intake.session)
            case.validate_response(response, checks=CHECKS)

    ask()
    assert [] == intake.events("request.failed")


def test_every_operation_is_fuzzed(described: Any) -> None:
    """The list above is all that the description has."""
    found = {
        (method.upper(), path)
        for path, methods in described.raw_schema["paths"].items()
        for method in methods
    }

    assert {*TAKING, *PLAIN} == found
