"""Peers that mean no good: slow ones, many of them, requests that can be read in two ways, guessed tokens."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import uvicorn
from harness import TOKEN, eventually
from hypothesis import given, settings
from hypothesis import strategies as st
from intake_process import IntakeProcess, msg, request_of

from cmqueue.job import Job
from demo.valkey import RunningServer
from listening.guesses import FREE, HALF_LIFE, MOST_PEERS, Guesses
from listening.wire import bounded
from producers.intake.app import MOST_UNPROVEN

Claimed = Callable[..., list[Job]]
Start = Callable[..., IntakeProcess]
NUMBER = "0031600000777"
CLIENT_TOKEN = "canary-token-0123456789"


@pytest.fixture(scope="module")
def hurried(valkey: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IntakeProcess]:
    """An intake that waits but shortly, serves ten connections, and slows guesses."""
    process = IntakeProcess(
        valkey.url,
        tmp_path_factory.mktemp("hurried") / "log",
        CMQUEUE_INTAKE_SECONDS="0.5",
        CMQUEUE_INTAKE_CONNECTIONS="10",
        CMQUEUE_INTAKE_GUESS_SECONDS="0.4",
        CMQUEUE_CLIENT_TOKENS=json.dumps({"canary": CLIENT_TOKEN}),
    )
    try:
        yield process.wait()
    finally:
        process.close()


def connected(intake: IntakeProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", intake.port), timeout=10)


def answer_on(connection: socket.socket) -> tuple[http.client.HTTPResponse, Any]:
    """The answer that comes on a connection, and the JSON in it."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response, json.loads(response.read())


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed it; waits for that."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def head(*lines: str, method: str = "POST", path: str = "/v1.0/message") -> bytes:
    """The head of a request, with a good token."""
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", "Host: intake", f"X-CM-PRODUCTTOKEN: {TOKEN}", *lines, "", ""]
    ).encode("latin-1")


BODY = json.dumps(request_of(msg(NUMBER))).encode()


def test_a_head_that_never_ends_is_cut_off(hurried: IntakeProcess) -> None:
    """408 in an envelope, though a byte comes every now and then."""
    with connected(hurried) as connection:
        connection.sendall(b"POST /v1.0/message HTTP/1.1\r\nHost: x\r\nX: ")
        connection.settimeout(0.1)
        began = time.monotonic()
        received = b""
        while not received:
            assert time.monotonic() - began < 5
            connection.sendall(b"a")
            try:
                received = connection.recv(10_000)
            except TimeoutError:
                continue
    assert b"408 Request Timeout" in received
    assert b'"errorCode":500,"messages":[]}' in received


def test_who_says_nothing_is_cut_off(hurried: IntakeProcess) -> None:
    """A connection without a request ends too, without an answer to what was not asked."""
    with connected(hurried) as connection:
        assert is_closed(connection)


def test_a_second_head_that_never_ends_is_cut_off(hurried: IntakeProcess) -> None:
    """Also on a connection that asked for something before."""
    with connected(hurried) as connection:
        connection.sendall(head(method="GET", path="/health"))
        assert 200 == answer_on(connection)[0].status
        connection.sendall(b"GET /health HTTP/1.1\r\n")
        assert 408 == answer_on(connection)[0].status
        assert is_closed(connection)


def test_a_rejected_body_does_not_hold_the_connection(hurried: IntakeProcess) -> None:
    """Once the answer is given, what still comes of the body is not waited for."""
    with connected(hurried) as connection:
        connection.sendall(head("Content-Length: 1000000", "Content-Encoding: gzip") + b"x")
        assert 415 == answer_on(connection)[0].status
        connection.sendall(b"x")
        assert 408 == answer_on(connection)[0].status
        assert is_closed(connection)


def test_an_idle_connection_is_kept(hurried: IntakeProcess) -> None:
    """Between two requests a client may take longer than for a head."""
    with connected(hurried) as connection:
        for _ in range(2):
            connection.sendall(head(method="GET", path="/health"))
            assert 200 == answer_on(connection)[0].status
            time.sleep(0.7)  # more than the seconds of a head; there is nothing to wait for


def test_a_body_that_comes_after_its_answer_leaves_the_connection_as_it_was(hurried: IntakeProcess) -> None:
    """Many clients send head and body one after the other; a wrong token is answered in between.

    The connection is idle then: no 408 comes that a client would take for the answer to its next request.
    """
    with connected(hurried) as connection:
        connection.sendall(head(f"Content-Length: {len(BODY)}"))
        assert 400 == answer_on(connection)[0].status
        connection.sendall(BODY)
        time.sleep(0.7)  # more than the seconds of a head
        connection.sendall(head(method="GET", path="/health"))
        assert 200 == answer_on(connection)[0].status


def test_a_long_head_that_comes_at_once_is_refused(intake: IntakeProcess) -> None:
    """What h11 gets in one piece it would take, however long, and keep while the request is in the works."""
    with connected(intake) as connection:
        connection.sendall(head("X: " + "a" * 60_000, method="GET", path="/health"))
        assert 400 == answer_on(connection)[0].status
        assert is_closed(connection)


def test_the_number_of_connections_is_bounded(hurried: IntakeProcess) -> None:
    """One too many is told 503 and when to come again; a place that is free is given away."""
    eventually(lambda: _served(hurried))
    kept = [connected(hurried) for _ in range(10)]
    for connection in kept:
        connection.sendall(head(method="GET", path="/health"))
        assert 200 == answer_on(connection)[0].status
    try:
        with connected(hurried) as further:
            response, told = answer_on(further)
            assert (503, "1", []) == (response.status, response.headers["Retry-After"], told["messages"])
        assert 1 == len(hurried.events("connection.refused"))
    finally:
        for connection in kept:
            connection.close()
    eventually(lambda: _served(hurried))


def _served(intake: IntakeProcess) -> bool:
    return (
        requests.get(f"{intake.url}/health", headers={"Connection": "close"}, timeout=10).status_code == 200
    )


@pytest.mark.parametrize(
    "lines",
    [
        (f"Content-Length: {len(BODY)}", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", f"Content-Length: {len(BODY)}"),
        (f"Content-Length: {len(BODY)}", f"Content-Length: {len(BODY) - 1}"),
        (f"Content-Length: {len(BODY)}, {len(BODY) - 1}",),
        ("Content-Length: -1",),
        ("Content-Length: +5",),
        (f"Content-Length : {len(BODY)}",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        (f"X-CM-PRODUCTTOKEN: {TOKEN}", f"Content-Length: {len(BODY)}"),
        ("Cmqueue-Lane: bulk", "Cmqueue-Lane: urgent", f"Content-Length: {len(BODY)}"),
        ("Idempotency-Key: a", "idempotency-key: b", f"Content-Length: {len(BODY)}"),
        ("Idempotency-Key: a\x00b", f"Content-Length: {len(BODY)}"),
        ("Idempotency-Key: a\rb", f"Content-Length: {len(BODY)}"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(
    intake: IntakeProcess, claimed: Claimed, lines: tuple[str, ...]
) -> None:
    """Refused in an envelope, the connection closed, nothing queued, whatever a proxy may have read."""
    with connected(intake) as connection:
        connection.sendall(head(*lines) + BODY)
        response, told = answer_on(connection)
        assert (True, 202, []) == (response.status in (400, 501), told["errorCode"], told["messages"])
        assert is_closed(connection)
    assert [] == claimed()


def test_nothing_is_smuggled(intake: IntakeProcess, claimed: Claimed) -> None:
    """A second request hidden in the body of the first is none."""
    hidden = head(f"Content-Length: {len(BODY)}") + BODY
    body = b"0\r\n\r\n" + hidden
    with connected(intake) as connection:
        connection.sendall(head(f"Content-Length: {len(body)}", "Transfer-Encoding: chunked") + body)
        received = b""
        while part := connection.recv(10_000):
            received += part
    assert 1 == received.count(b"HTTP/1.1 ")
    assert [] == claimed()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip", "nonsense"])
def test_an_encoded_body_is_refused(intake: IntakeProcess, encoding: str) -> None:
    """415 in an envelope: what is packed small may unpack large."""
    answer = intake.post(request_of(msg(NUMBER)), Content_Encoding=encoding)

    assert (415, 202, []) == (answer.status_code, answer.json()["errorCode"], answer.json()["messages"])


def test_identity_is_no_encoding(intake: IntakeProcess) -> None:
    assert 200 == intake.post(request_of(msg(NUMBER)), Content_Encoding="identity").status_code


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /v1.0/message HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000,
    ],
    ids=["words", "tls", "no host", "long head"],
)
def test_what_is_not_http_gets_an_envelope(intake: IntakeProcess, sent: bytes) -> None:
    """400, and nothing of what was sent is repeated."""
    with connected(intake) as connection:
        connection.sendall(sent)
        response, told = answer_on(connection)
        assert 400 == response.status
        assert {"details": "This is not HTTP", "errorCode": 202, "messages": []} == told


def test_a_broken_chunk_gets_an_envelope(intake: IntakeProcess, claimed: Claimed) -> None:
    """A body that stops being HTTP half way: 400, once, and nothing queued."""
    with connected(intake) as connection:
        connection.sendall(head("Transfer-Encoding: chunked") + b"zz\r\n" + BODY)
        assert 400 == answer_on(connection)[0].status
        assert is_closed(connection)
    assert [] == claimed()
    assert [] == intake.events("request.failed")


@pytest.mark.parametrize(
    "body",
    [
        '{"messages":{"msg":[]},"messages":{"msg":[%s]}}',
        '{"MESSAGES":{"msg":[]},"messages":{"msg":[%s]}}',
        '{"messages":{"msg":[{}],"MSG":[%s]}}',
    ],
)
def test_of_a_key_twice_the_last_counts(intake: IntakeProcess, claimed: Claimed, body: str) -> None:
    """Always the same one, in any case."""
    assert 200 == intake.post(body=(body % json.dumps(msg(NUMBER))).encode()).status_code
    assert 1 == len(claimed())


def test_no_answer_carries_what_the_caller_wrote_in_a_header(intake: IntakeProcess) -> None:
    """A line break in a value stays in the JSON of its row."""
    answer = intake.post(request_of(msg(NUMBER, reference="a\r\nX-Evil: 1\r\n\r\n")), Cmqueue_Ids="1")

    assert "X-Evil" not in answer.headers
    assert "a\r\nX-Evil: 1\r\n\r\n" == answer.json()["messages"][0]["reference"]


def test_guesses_are_slowed_and_logged(hurried: IntakeProcess) -> None:
    """After some wrong tokens each waits longer, a right one never; the log has the peer, not the token."""
    eventually(lambda: _served(hurried))
    document = request_of(msg(NUMBER))
    before = len(hurried.events("client.refused"))
    took = [
        hurried.post(document, token=f"canary-guess-{n:010}").elapsed.total_seconds() for n in range(FREE + 2)
    ]
    right = hurried.post(document, token=CLIENT_TOKEN)

    assert took[-1] > 0.35 > took[0]
    assert (200, True) == (right.status_code, right.elapsed.total_seconds() < 0.35)
    refusals = hurried.events("client.refused")[before:]
    assert [("127.0.0.1", 400)] * (FREE + 2) == [(one["peer"], one["status"]) for one in refusals]
    assert "canary" not in "".join(map(str, refusals))


def test_nothing_secret_is_in_the_log_or_an_error(hurried: IntakeProcess) -> None:
    """Whatever went wrong: no token, number or text in any line of the process, nor in what it answers."""
    eventually(lambda: _served(hurried))
    text = "canary text"
    good = request_of(msg(NUMBER, text=text, reference="canary-reference"))
    url, token = hurried.url, {"Authorization": f"Bearer {CLIENT_TOKEN}"}
    answers = [
        hurried.post(good, token="canary-wrong-0123456789"),
        hurried.post(
            {"messages": {"authentication": {"productToken": "canary-wrong-0123456789"}, **good["messages"]}},
            token=None,
        ),
        hurried.post(good, token=CLIENT_TOKEN, Cmqueue_Lane=text),
        hurried.post(body=json.dumps(good).encode()[:-1], token=CLIENT_TOKEN),
        hurried.post(good, token=CLIENT_TOKEN, Content_Encoding="canary"),
        requests.get(f"{url}/canary/{NUMBER}?{text}", headers=token, timeout=10),
        requests.get(f"{url}/v1/messages/canary{NUMBER}?{text}", headers=token, timeout=10),
        requests.delete(f"{url}/v1/messages/canary", headers=token, timeout=10),
        requests.post(f"{url}/v1/messages/status", json={"ids": {text: NUMBER}}, headers=token, timeout=10),
        requests.get(f"{url}/v1/messages/x", headers={"Authorization": "Bearer canary-wrong"}, timeout=10),
    ]
    hurried.post(good, token=CLIENT_TOKEN)
    eventually(lambda: hurried.events("request.accepted"))

    output = hurried.log.read_text().replace('"client":"canary"', "").replace('"clients":["canary"]', "")
    output = output.replace('"client": "canary"', "").replace('"clients": ["canary"]', "")
    for told in (output, *(answer.text for answer in answers)):
        assert [] == [secret for secret in ("canary", CLIENT_TOKEN, TOKEN, "600000777") if secret in told]
    assert {400, 401, 404, 405, 415} == {answer.status_code for answer in answers}


def test_who_does_not_read_is_cut_off() -> None:
    """An answer larger than the buffers waits for its reader, though not for ever."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * (32 << 20)})

    listener = socket.create_server(("127.0.0.1", 0))
    protocol = bounded(connections=2, seconds=5, write_seconds=0.3)
    server = uvicorn.Server(uvicorn.Config(app, http=protocol, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with socket.create_connection(listener.getsockname()) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually(lambda: server.server_state.connections)
            eventually(lambda: not server.server_state.connections, seconds=5)
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.mark.parametrize("header", ["X: y", "Connection: close"])
def test_who_does_not_read_the_little_that_is_left_is_cut_off_too(header: str) -> None:
    """What fits the buffers is written without waiting; a connection that ends must end all the same."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 50_000})

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    protocol = bounded(connections=2, seconds=5, write_seconds=0.3)
    server = uvicorn.Server(
        uvicorn.Config(app, http=protocol, lifespan="off", log_config=None, timeout_keep_alive=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.connect(listener.getsockname())
            connection.sendall(f"GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())
            eventually(lambda: server.server_state.total_requests)
            eventually(lambda: not server.server_state.connections, seconds=5)
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(10)


def test_requests_of_peers_that_have_gone_are_bounded() -> None:
    """A request goes on when its peer has closed the connection: connections alone would bound nothing."""
    most, began, over = 5, 0, threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal began
        began += 1
        await asyncio.to_thread(over.wait, 20)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    listener = socket.create_server(("127.0.0.1", 0))
    protocol = bounded(connections=most, seconds=5)
    server = uvicorn.Server(uvicorn.Config(app, http=protocol, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        for n in range(4 * most):
            with socket.create_connection(listener.getsockname(), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                eventually(lambda n=n: began > n or began >= most)
                if n >= most:
                    assert b"503" in connection.recv(100)
            eventually(lambda: not server.server_state.connections)
        assert most == began == len(server.server_state.tasks)
    finally:
        over.set()
        server.should_exit = True
        thread.join(10)


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_wait_grows_and_has_an_end() -> None:
    """Five for nothing, then 0.2 s, twice as much each time, up to the longest."""
    clock = _Clock()
    guesses = Guesses(5, clock)
    waits = []
    for _ in range(FREE + 8):
        waits.append(round(guesses.wrong("192.0.2.1"), 1))
        clock.now += waits[-1]  # asked one after the other

    assert [0.0] * FREE == waits[:FREE]
    assert waits == sorted(waits)
    assert (0.2, 5.0) == (waits[FREE], max(waits))


def test_those_asked_at_once_wait_in_turn() -> None:
    """Many connections guess no faster than one, up to the longest wait."""
    clock = _Clock()
    guesses = Guesses(5, clock)
    waits = [guesses.wrong("192.0.2.1") for _ in range(FREE + 20)]

    assert waits == sorted(waits)
    assert 5.0 == waits[-1]
    assert waits[FREE + 1] - waits[FREE] > 0.3


def test_wrong_tokens_are_forgotten() -> None:
    """A peer that mistyped some is free again after a while."""
    clock = _Clock()
    guesses = Guesses(5, clock)
    for _ in range(FREE + 3):
        guesses.wrong("192.0.2.1")
    clock.now += 4 * HALF_LIFE

    assert 0.0 == guesses.wrong("192.0.2.1")


def test_a_peer_is_its_network_in_ipv6() -> None:
    """All addresses of a /64 count as one, those of another do not; an IPv4 address counts alone."""
    guesses = Guesses(5, _Clock())
    for n in range(FREE):
        guesses.wrong(f"2001:db8::{n:x}")
        guesses.wrong(f"192.0.2.{n}")

    assert guesses.wrong("2001:db8::ffff:1") > 0.0
    assert [0.0, 0.0] == [guesses.wrong("2001:db8:0:1::1"), guesses.wrong("192.0.2.77")]


@settings(max_examples=20)
@given(
    st.lists(st.ip_addresses().map(str), min_size=1, max_size=30),
    st.sampled_from(["", "unknown", "fe80::1%eth0"]),
)
def test_any_address_is_taken(addresses: list[str], odd: str) -> None:
    """And no wait is longer than the longest."""
    guesses = Guesses(1.5, _Clock())

    assert all(0 <= guesses.wrong(address) <= 1.5 for address in [*addresses, odd])


def test_the_memory_of_guesses_is_bounded() -> None:
    """A guesser with many addresses fills no memory."""
    guesses = Guesses(5, _Clock())
    for n in range(MOST_PEERS + 100):
        guesses.wrong(f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}")

    assert MOST_PEERS == len(guesses)


def test_0_switches_the_wait_off() -> None:
    guesses = Guesses(0, _Clock())

    assert {0.0} == {guesses.wrong("192.0.2.1") for _ in range(100)}


def test_unproven_bodies_hold_up_nobody_with_a_header(start: Start, valkey: RunningServer) -> None:
    """Who sends a large body without a token, slowly, takes a room of its own; that is full, no other is."""
    intake = start(valkey.url)
    with_body_token = {"messages": {"authentication": {"productToken": TOKEN}, "msg": [msg(NUMBER)]}}
    slow = []
    try:
        for _ in range(MOST_UNPROVEN):
            connection = connected(intake)
            connection.sendall(b"POST /v1.0/message HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n{")
            slow.append(connection)
        document = request_of(msg(NUMBER))
        large = json.dumps(document).encode().ljust(20_000)
        full = eventually(
            lambda: (answer := intake.post(body=large, token=None)).status_code == 503 and answer.headers
        )
        assert "1" == full["Retry-After"]  # type: ignore[index]  # headers
        others = [intake.post(body=large), intake.post(document), intake.post(with_body_token, token=None)]
        assert [200, 200, 200] == [answer.status_code for answer in others]
    finally:
        for connection in slow:
            connection.close()
