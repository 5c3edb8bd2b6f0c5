"""The gateway against real sockets: no answer, and what that proves."""

from __future__ import annotations

import gzip
import socket
import time

import pytest
from scripted_server import (
    BODY,
    OK,
    PATIENCE,
    TOKEN,
    Peer,
    Script,
    answered,
    calling,
    dripping,
    kind,
    replying,
    serving,
)

from worker.answer import NoAnswer, NoAnswerKind, Response

# Certainly not sent.


def test_refused() -> None:
    """
    Nobody listens: not connected.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with calling(f"http://127.0.0.1:{port}/") as gateway:
        answer = gateway.post(BODY, TOKEN)

    assert isinstance(answer, NoAnswer)
    assert (NoAnswerKind.NOT_CONNECTED, "ConnectionRefusedError") == (answer.kind, answer.detail)


def test_no_such_host() -> None:
    """
    A name that does not exist: not connected.
    """
    with calling("https://gateway.invalid/v1.0/message") as gateway:
        answer = gateway.post(BODY, TOKEN)

    assert isinstance(answer, NoAnswer)
    assert (NoAnswerKind.NOT_CONNECTED, "gaierror") == (answer.kind, answer.detail)


def test_connect_timeout() -> None:
    """
    A host that does not take the connection in time: not connected.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:  # more than the backlog holds: further ones get no answer to their SYN
            sock.setblocking(False)
            sock.connect_ex(address)
        with calling(f"http://127.0.0.1:{address[1]}/", connect_timeout=0.2) as gateway:
            answer = gateway.post(BODY, TOKEN)
        for sock in waiting:
            sock.close()

    assert NoAnswerKind.NOT_CONNECTED == kind(answer)
    assert 0.15 < answer.seconds < 2


def test_a_server_without_tls() -> None:
    """
    Plain HTTP where TLS is due: not connected, and not a word of the request is said.
    """
    heard: list[bytes] = []

    def script(peer: Peer) -> None:
        heard.append(peer.sock.recv(65536))
        peer.sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(script) as server, calling(server.url.replace("http:", "https:")) as gateway:
        answer = gateway.post(BODY, TOKEN)

    assert NoAnswerKind.NOT_CONNECTED == kind(answer)
    assert TOKEN.encode() not in heard[0]


def test_a_silent_tls_handshake() -> None:
    """
    A handshake that goes nowhere ends with the connect timeout: not connected.
    """

    def script(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.server.stopped.wait(PATIENCE)

    with (
        serving(script) as server,
        calling(server.url.replace("http:", "https:"), connect_timeout=0.2) as gateway,
    ):
        answer = gateway.post(BODY, TOKEN)

    assert NoAnswerKind.NOT_CONNECTED == kind(answer)


def test_a_connection_that_stood_too_late() -> None:
    """
    Past `start_by` nothing is written any more.
    """
    with serving(replying(OK)) as server, calling(server.url) as gateway:
        answer = gateway.post(BODY, TOKEN, start_by=time.monotonic() - 0.001)

    assert NoAnswerKind.NOT_CONNECTED == kind(answer)
    assert [] == server.requests


# Perhaps sent.


def test_a_read_timeout() -> None:
    """
    No answer in time: perhaps taken.
    """

    def script(peer: Peer) -> None:
        peer.request()
        peer.server.stopped.wait(PATIENCE)

    answer, _ = answered(script, read_timeout=0.2)

    assert NoAnswerKind.READ_TIMEOUT == kind(answer)
    assert 0.2 <= answer.seconds < 5


@pytest.mark.parametrize(
    "script",
    [
        dripping(b"", OK),
        dripping(b"HTTP/1.1 200 OK\r\n", b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"{" * 99),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n" * 20),
        dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"{" * 99),
    ],
    ids=["status line", "headers", "body", "chunks", "body without length"],
)
def test_a_server_that_drips(script: Script) -> None:
    """
    The read timeout bounds the whole answer, wherever the server dawdles.
    """
    answer, _ = answered(script, read_timeout=0.5)

    assert NoAnswerKind.READ_TIMEOUT == kind(answer)
    assert 0.5 <= answer.seconds < 2.5


def test_a_server_that_does_not_listen() -> None:
    """
    A request that can't be written in time ends with the read timeout, and may have been read in part.
    """

    def script(peer: Peer) -> None:
        peer.server.stopped.wait(PATIENCE)

    with serving(script) as server, calling(server.url, read_timeout=0.3) as gateway:
        answer = gateway.post(b"x" * (32 << 20), TOKEN)

    assert NoAnswerKind.READ_TIMEOUT == kind(answer)
    assert 0.3 <= answer.seconds < 5


def test_a_server_that_listens_by_drops() -> None:
    """
    A server that reads a little now and then does not move the deadline.
    """

    def script(peer: Peer) -> None:
        while not peer.server.stopped.wait(0.05) and peer.sock.recv(65536):
            pass

    with serving(script) as server, calling(server.url, read_timeout=0.4) as gateway:
        answer = gateway.post(b"x" * (32 << 20), TOKEN)

    assert NoAnswerKind.READ_TIMEOUT == kind(answer)
    assert 0.4 <= answer.seconds < 5


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
    ],
    ids=["nothing", "status line", "half a body", "half a chunk"],
)
def test_a_lost_connection_is_never_tried_again(start: bytes, reset: bool) -> None:
    """
    The server reads, and goes: perhaps taken. No library underneath repeats the request.
    """

    def script(peer: Peer) -> None:
        peer.request()
        peer.sock.sendall(start)
        if reset:
            peer.reset()

    answer, server = answered(script)

    assert NoAnswerKind.CONNECTION_LOST == kind(answer)
    assert (1, 1) == (len(server.requests), server.connections)


def test_a_connection_lost_between_two_requests() -> None:
    """
    A kept connection that the server resets on the next request is doubt, too, and not repeated.
    """

    def script(peer: Peer) -> None:
        peer.request()
        peer.sock.sendall(OK)
        peer.request()
        peer.reset()

    with serving(script) as server, calling(server.url) as gateway:
        first, second = gateway.post(BODY, TOKEN), gateway.post(BODY, TOKEN)

    assert isinstance(first, Response)
    assert NoAnswerKind.CONNECTION_LOST == kind(second)
    assert (2, 1) == (len(server.requests), server.connections)


@pytest.mark.parametrize("status", [408, 413, 429, 500, 502, 503, 504])
def test_no_status_is_tried_again(status: int) -> None:
    """
    Nothing below us retries by status, Retry-After or not.
    """
    reply = b"HTTP/1.1 %d No\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n" % status
    answer, server = answered(replying(reply))

    assert isinstance(answer, Response)
    assert (status, 1) == (answer.status, len(server.requests))


def test_an_answer_that_is_no_http() -> None:
    """
    Bytes that are no HTTP: perhaps taken.
    """

    def script(peer: Peer) -> None:
        peer.request()
        peer.sock.sendall(b"220 mail.example ESMTP\r\n\r\n")

    assert NoAnswerKind.CONNECTION_LOST == kind(answered(script)[0])


def test_an_answer_that_is_too_large() -> None:
    """
    Past the cap reading ends; the connection is not used again.
    """
    with (
        serving(replying(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500000)) as server,
        calling(server.url, answer_cap=4999) as gateway,
    ):
        answers = [gateway.post(BODY, TOKEN) for _ in range(2)]

    assert [NoAnswerKind.TOO_LARGE] * 2 == [kind(answer) for answer in answers]
    assert server.connections == 2


def test_an_answer_of_exactly_the_cap() -> None:
    """
    The cap itself is still allowed.
    """
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000

    assert isinstance(answered(replying(reply), answer_cap=5000)[0], Response)


def test_a_bomb_does_not_go_off() -> None:
    """
    A small answer that unpacks into a giant is cut off at the cap.
    """
    packed = gzip.compress(b"\0" * (64 << 20), 9)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)

    assert NoAnswerKind.TOO_LARGE == kind(answered(replying(head + packed), answer_cap=1 << 20)[0])


def test_an_answer_that_can_not_be_unpacked() -> None:
    """
    A broken encoding leaves no answer to read.
    """
    reply = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip"

    assert NoAnswerKind.GARBLED == kind(answered(replying(reply))[0])


def test_nothing_of_the_request_shows() -> None:
    """
    The repr of no answer tells no token and no text.
    """

    def script(peer: Peer) -> None:
        peer.request()

    assert TOKEN not in repr(answered(script)[0])
