"""The gateway against real sockets: answers, and the connections they come by."""

from __future__ import annotations

import gzip
import json
import threading
from pathlib import Path

import pytest
from scripted_server import (
    BODY,
    OK,
    PATIENCE,
    TOKEN,
    Peer,
    answered,
    calling,
    kind,
    replying,
    serving,
)

from worker.answer import Answer, NoAnswerKind, Response


def test_an_answer_is_a_value() -> None:
    """
    Status, body, Retry-After and time of an answer.
    """
    answer, _ = answered(
        replying(b'HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 13\r\n\r\n{"details":1}')
    )

    assert isinstance(answer, Response)
    assert (429, 7.0, b'{"details":1}') == (answer.status, answer.retry_after, answer.body)
    assert 0 < answer.seconds < PATIENCE


def test_what_a_request_carries() -> None:
    """
    The body as it is, the token in CM's header, JSON both ways, and no more about us than a name.
    """
    _, server = answered(replying(OK))
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    assert BODY == body
    assert first == "POST /v1.0/message HTTP/1.1"
    assert headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "cmqueue",
        "accept-encoding": "identity",
        "accept": "application/json",
        "connection": "keep-alive",
        "content-type": "application/json; charset=utf-8",
        "x-cm-producttoken": TOKEN,
        "content-length": str(len(BODY)),
    }


def test_without_a_token_no_header() -> None:
    """
    Where the body holds the token, the header is absent.
    """
    with serving(replying(OK)) as server, calling(server.url) as gateway:
        gateway.post(BODY, None)

    assert b"PRODUCTTOKEN" not in server.requests[0].upper()


def test_a_chunked_answer_is_joined() -> None:
    """
    An answer in chunks is one answer.
    """
    answer, _ = answered(
        replying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")
    )

    assert isinstance(answer, Response)
    assert answer.body == b"{}"


def test_a_packed_answer_is_unpacked() -> None:
    """
    An answer that is packed although we asked for none is read.
    """
    packed = gzip.compress(b"{}")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    answer, _ = answered(replying(head + packed))

    assert isinstance(answer, Response)
    assert answer.body == b"{}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    """
    A redirect is an answer like another: the token goes to no second address.
    """
    with serving(replying(OK)) as elsewhere:
        location = b"Location: %b" % elsewhere.url.encode()
        answer, server = answered(
            replying(b"HTTP/1.1 %d Moved\r\n%b\r\nContent-Length: 0\r\n\r\n" % (status, location))
        )

    assert isinstance(answer, Response)
    assert status == answer.status
    assert (1, 0) == (len(server.requests), elsewhere.connections)


@pytest.mark.parametrize("location", ["", "http://[::1", "http://127.0.0.1:99999999/", "http://\xff"])
def test_the_address_of_a_redirect_is_of_no_matter(location: str) -> None:
    """
    A redirect to nonsense is read like another answer, and its body is capped like another.
    """
    head = b"HTTP/1.1 302 Found\r\nLocation: %b\r\n" % location.encode("latin-1")
    small, _ = answered(replying(head + b"Content-Length: 2\r\n\r\n{}"))
    large, _ = answered(replying(head + b"Content-Length: 200000\r\n\r\n" + b"x" * 200_000), answer_cap=1000)

    assert isinstance(small, Response)
    assert (302, b"{}") == (small.status, small.body)
    assert NoAnswerKind.TOO_LARGE == kind(large)


def test_a_netrc_adds_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A .netrc with a password for this very host leaves the request as it is.
    """
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\ndefault login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    _, server = answered(replying(OK))

    assert b"authorization" not in server.requests[0].lower()


def test_no_cookie_is_kept() -> None:
    """
    A cookie of the one answer does not travel with the next request.
    """
    with (
        serving(replying(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n{}")) as server,
        calling(server.url) as gateway,
    ):
        gateway.post(BODY, TOKEN)
        gateway.post(BODY, TOKEN)

    assert b"cookie" not in server.requests[1].lower()


# Connections.


def test_a_connection_is_used_again() -> None:
    """
    One connection serves one request after another.
    """
    with serving(replying(OK)) as server, calling(server.url) as gateway:
        for _ in range(3):
            assert isinstance(gateway.post(BODY, TOKEN), Response)

    assert (1, 3) == (server.connections, len(server.requests))


def test_a_connection_that_idled_is_not_used_again() -> None:
    """
    After `idle_seconds` a fresh connection is opened.
    """
    with serving(replying(OK)) as server, calling(server.url, idle_seconds=0.0) as gateway:
        for _ in range(2):
            assert isinstance(gateway.post(BODY, TOKEN), Response)

    assert (2, 2) == (server.connections, len(server.requests))


def test_each_thread_has_its_connection() -> None:
    """
    Threads that post at once do not share a connection.
    """
    together = threading.Barrier(2)
    found: list[Answer] = []

    def script(peer: Peer) -> None:
        peer.request()
        together.wait(PATIENCE)
        peer.sock.sendall(OK)

    with serving(script) as server, calling(server.url) as gateway:

        def work() -> None:
            found.append(gateway.post(BODY, TOKEN))
            gateway.close()

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)

    assert [200, 200] == [answer.status for answer in found if isinstance(answer, Response)]


def test_an_answer_that_closes_costs_nothing() -> None:
    """
    After `Connection: close` the next request has a connection of its own.
    """

    def script(peer: Peer) -> None:
        peer.request()
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")

    with serving(script) as server, calling(server.url) as gateway:
        for _ in range(2):
            assert isinstance(gateway.post(BODY, TOKEN), Response)

    assert len(server.requests) == 2


# With the sandbox.


def test_the_sandbox_answers() -> None:
    """
    The local stand-in for CM and the gateway understand each other.
    """
    running = pytest.importorskip("sandbox.running").running
    msg = {
        "from": "Acme",
        "to": [{"number": "0031600000001"}],
        "body": {"type": "auto", "content": "Hi"},
        "reference": "A0BBBBCCCCCCCCCC",
    }
    with running() as sandbox, calling(sandbox.endpoint) as gateway:
        answer = gateway.post(json.dumps({"messages": {"msg": [msg]}}).encode(), TOKEN)

    assert isinstance(answer, Response)
    assert json.loads(answer.body)["messages"][0]["status"] == "Accepted"
