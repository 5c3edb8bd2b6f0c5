"""HTTP/1.1 as the sandbox speaks it."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.running import SandboxClient

Message = Callable[..., dict[str, Any]]

TOKEN = "11111111-1111-1111-1111-111111111111"
HEADERS = {"Content-Type": "application/json", "X-CM-PRODUCTTOKEN": TOKEN}


@pytest.fixture
def connection(sandbox: SandboxClient) -> Iterator[http.client.HTTPConnection]:
    opened = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=10)
    yield opened
    opened.close()


@pytest.fixture
def wire(sandbox: SandboxClient) -> Iterator[socket.socket]:
    address = urlsplit(sandbox.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as opened:
        yield opened


def read_answers(wire: socket.socket, count: int) -> list[bytes]:
    bodies = []
    with wire.makefile("rb") as stream:
        for _ in range(count):
            length = 0
            while (line := stream.readline().strip()) != b"":
                name, _, value = line.partition(b": ")
                length = int(value) if name == b"Content-Length" else length
            bodies.append(stream.read(length))
    return bodies


def test_a_connection_is_kept_alive(
    connection: http.client.HTTPConnection, sandbox: SandboxClient, message: Message
) -> None:
    """Many requests, one socket."""
    sockets = set()
    for _ in range(3):
        connection.request("POST", "/v1.0/message", json.dumps({"messages": {"msg": [message()]}}), HEADERS)
        connection.getresponse().read()
        sockets.add(id(connection.sock))
    assert 1 == len(sockets - {id(None)})
    assert 3 == sandbox.counts()["requests"]


def test_the_client_may_ask_to_close(connection: http.client.HTTPConnection) -> None:
    """Connection: close is honoured and said back."""
    connection.request("GET", "/sandbox/counts", headers={"Connection": "close"})
    answer = connection.getresponse()
    answer.read()
    assert "close" == answer.getheader("Connection")
    assert connection.sock is None


def test_requests_sent_ahead_are_answered_in_order(
    wire: socket.socket, request_bytes: Callable[..., bytes], message: Message, sandbox: SandboxClient
) -> None:
    """Also when the first is slow."""
    sandbox.faults({"kind": "slow", "ms": 50, "count": 1})
    wire.sendall(request_bytes(message(reference="A")) + request_bytes(message(reference="B")))
    answers = [json.loads(body) for body in read_answers(wire, 2)]
    assert ["A", "B"] == [answer["messages"][0]["reference"] for answer in answers]


def test_a_request_in_crumbs_is_put_together(
    wire: socket.socket, request_bytes: Callable[..., bytes], message: Message
) -> None:
    """Byte after byte."""
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in request_bytes(message()):
        wire.send(bytes((byte,)))
    assert 0 == json.loads(read_answers(wire, 1)[0])["errorCode"]


def test_a_chunked_body_is_read(connection: http.client.HTTPConnection, message: Message) -> None:
    """Without a length ahead."""
    body = json.dumps({"messages": {"msg": [message()]}}).encode()
    connection.request("POST", "/v1.0/message", iter([body[:20], body[20:]]), HEADERS)
    assert 200 == connection.getresponse().status


def test_a_client_that_waits_to_be_asked_is_asked(wire: socket.socket) -> None:
    """Expect: 100-continue, as curl sends it before a large body."""
    wire.sendall(
        b"POST /v1.0/message HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    assert wire.recv(100).startswith(b"HTTP/1.1 100 ")


def test_a_request_that_is_no_http_is_400(wire: socket.socket) -> None:
    """And the connection is closed."""
    wire.sendall(b"hello there\r\n\r\n")
    with wire.makefile("rb") as stream:
        assert stream.read().startswith(b"HTTP/1.1 400 ")


def test_a_body_above_the_limit_is_413(wire: socket.socket) -> None:
    """More than 100 MiB; its announcement is enough."""
    wire.sendall(b"POST /v1.0/message HTTP/1.1\r\nHost: x\r\nContent-Length: 104857601\r\n\r\n")
    with wire.makefile("rb") as stream:
        assert stream.read().startswith(b"HTTP/1.1 413 ")


def test_content_must_be_called_json(connection: http.client.HTTPConnection, message: Message) -> None:
    """CM asks for application/json; anything else is malformed."""
    body = json.dumps({"messages": {"msg": [message()]}})
    connection.request("POST", "/v1.0/message", body, HEADERS | {"Content-Type": "text/plain"})
    answer = connection.getresponse()
    assert (400, 202) == (answer.status, json.loads(answer.read())["errorCode"])


def test_the_gateway_takes_only_post(connection: http.client.HTTPConnection) -> None:
    """Any other method is 405."""
    connection.request("GET", "/v1.0/message")
    assert 405 == connection.getresponse().status


def test_head_has_no_body(connection: http.client.HTTPConnection) -> None:
    """The connection stays in step."""
    for _ in range(2):
        connection.request("HEAD", "/sandbox/counts")
        answer = connection.getresponse()
        assert (405, b"") == (answer.status, answer.read())
