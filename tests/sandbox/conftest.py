"""One sandbox for all tests of this folder, emptied before each, and ways to talk to it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from sandbox.gateway import Gateway
from sandbox.running import SandboxClient, running

TOKEN = "11111111-1111-1111-1111-111111111111"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[SandboxClient]:
    with running() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: SandboxClient) -> SandboxClient:
    shared_sandbox.reset()
    return shared_sandbox


@pytest.fixture
def message() -> Callable[..., dict[str, Any]]:
    """Builds one good `msg`; numbers are positional, other fields are keywords."""

    def build(*numbers: str, **fields: Any) -> dict[str, Any]:
        return {
            "from": "Acme",
            "to": [{"number": number} for number in numbers or ("0031600000001",)],
            "body": {"type": "auto", "content": "Hello"},
            "reference": "REF1",
        } | fields

    return build


@pytest.fixture
def request_bytes() -> Callable[..., bytes]:
    """Builds the bytes of a whole HTTP request of these `msg` items."""

    def build(*messages: dict[str, Any]) -> bytes:
        body = json.dumps({"messages": {"msg": messages}}).encode()
        head = (
            "POST /v1.0/message HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"X-CM-PRODUCTTOKEN: {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    return build


@pytest.fixture
def post() -> Callable[..., Reply]:
    """POSTs these `msg` items to a sandbox over a connection of its own."""

    def send(to: SandboxClient, *messages: dict[str, Any], **headers: str) -> Reply:
        connection = http.client.HTTPConnection(urlsplit(to.url).netloc, timeout=10)
        try:
            connection.request(
                "POST",
                "/v1.0/message",
                json.dumps({"messages": {"msg": messages}}),
                {"Content-Type": "application/json", "X-CM-PRODUCTTOKEN": TOKEN} | headers,
            )
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    return send


@pytest.fixture
def get() -> Callable[..., Reply]:
    """Asks a sandbox for a path, by GET unless told otherwise."""

    def ask(of: SandboxClient, path: str, method: str = "GET", body: str | None = None) -> Reply:
        connection = http.client.HTTPConnection(urlsplit(of.url).netloc, timeout=10)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    return ask


@pytest.fixture
def judged(message: Callable[..., dict[str, Any]]) -> Callable[..., tuple[int, str | None]]:
    """What the gateway says of one message with this rich content: code and details of its row, or of all."""

    def judge(rich_content: Any, *channels: str, **fields: Any) -> tuple[int, str | None]:
        item = message(**{"richContent": rich_content, "allowedChannels": list(channels)} | fields)
        body = json.dumps({"messages": {"msg": [item]}}).encode()
        _, answer = Gateway().judge(TOKEN, body).answer()
        document = json.loads(answer)
        if not document["messages"]:
            return document["errorCode"], document["details"]
        (row,) = document["messages"]
        return row["messageErrorCode"], row["messageDetails"]

    return judge
