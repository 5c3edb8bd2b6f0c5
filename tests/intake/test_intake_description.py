"""The intake's description of itself: complete, and readable without a script or anybody else's server."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import jsonschema
import pytest
import requests
from intake_process import IntakeProcess

from cmqueue import State
from producers.intake import openapi, request
from producers.intake.problem import Kind


@pytest.fixture(scope="module")
def described(intake: IntakeProcess) -> dict[str, Any]:
    """The description as it is served."""
    found: dict[str, Any] = requests.get(f"{intake.url}/openapi.json", timeout=30).json()
    return found


def operations(described: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }


def test_every_path_is_described(described: dict[str, Any]) -> None:
    """Every path and method that there is, and no other."""
    assert {
        ("POST", "/v1.0/message"),
        ("GET", "/v1/messages/{id}"),
        ("GET", "/v1/messages/{id}/explain"),
        ("POST", "/v1/messages/{id}/cancel"),
        ("POST", "/v1/messages/status"),
        ("GET", "/health"),
        ("GET", "/ready"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
    } == operations(described).keys()


def test_every_option_is_described(described: dict[str, Any]) -> None:
    """The headers that a request of CM's may have are those that are read."""
    told = {one["name"] for one in operations(described)["POST", "/v1.0/message"]["parameters"]}

    assert {request.IDEMPOTENCY_KEY, request.LANE, request.SEND_AT, request.EXPIRES_IN, request.IDS} == told


def test_every_shape_is_a_json_schema(described: dict[str, Any]) -> None:
    """By the dialect that OpenAPI 3.1 says, and its own examples fit it."""
    schemas = described["components"]["schemas"]
    for name, schema in schemas.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        whole = {"components": {"schemas": schemas}, "$ref": f"#/components/schemas/{name}"}
        for example in schema.get("examples", []):
            jsonschema.validate(example, whole, cls=jsonschema.Draft202012Validator)


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    names = set(re.findall(r"#/components/schemas/(\w+)", str(described)))

    assert described["components"]["schemas"].keys() == names


def test_every_state_and_problem_is_described(described: dict[str, Any]) -> None:
    """What a program looks at: the sets are whole."""
    schemas = described["components"]["schemas"]

    assert {state.value for state in State} == set(schemas["Status"]["properties"]["state"]["enum"])
    assert {kind.uri for kind in Kind} == set(schemas["Problem"]["properties"]["type"]["enum"])


class _Page(HTMLParser):
    """The tags of a page, what they point at, and whether each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in ("href", "src") and value:
                self.links.append(value)
            if name == "id" and value:
                self.ids.append(value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def answer(intake: IntakeProcess) -> requests.Response:
    return requests.get(f"{intake.url}/docs", timeout=30)


@pytest.fixture(scope="module")
def page(answer: requests.Response) -> _Page:
    parsed = _Page()
    parsed.feed(answer.text)
    return parsed


def test_the_page_has_no_script_and_nothing_from_elsewhere(page: _Page, answer: requests.Response) -> None:
    """And the policy would stop what somebody put in."""
    assert set() == page.tags & {"script", "link", "img", "iframe", "form"}
    assert set() == {name for name in page.attributes if name.startswith("on")} | page.attributes & {"style"}
    assert [] == [link for link in page.links if "//" in link]
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "nosniff" == answer.headers["X-Content-Type-Options"]


def test_the_page_is_whole(page: _Page, described: dict[str, Any]) -> None:
    """Every operation and shape has its place, every link within it an end, every tag is closed."""
    ids = {operation["operationId"] for operation in operations(described).values()}

    assert ids | described["components"]["schemas"].keys() == set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert set() == {link[1:] for link in page.links if link.startswith("#")} - set(page.ids)
    assert [] == page.open


def test_the_limits_told_are_those_set(described: dict[str, Any]) -> None:
    """The size of a body comes from the setting."""
    told = operations(described)["POST", "/v1.0/message"]["requestBody"]["description"]

    assert str(4 << 20) in told
    assert openapi.VERSION == described["info"]["version"]
