"""One POST to an endpoint: its answer is a value, in time, and it goes where its address was judged."""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Iterator, Sequence

import pytest
from gateway.scripted_server import OK, Peer, Server, dripping, replying, serving

from receivers.callbacks.post import ANSWER_CAP, Poster
from receivers.callbacks.schedule import Answered, Unanswered

HERE = [ipaddress.ip_network("127.0.0.0/8")]
HEADERS = {"webhook-id": "evt_AA1-0_0"}
NO_BODY = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


def post(server: Server, poster: Poster | None = None) -> Answered | Unanswered:
    return send(poster or Poster(HERE), server.url, keep=poster is not None)


def send(poster: Poster, url: str, *, keep: bool = False) -> Answered | Unanswered:
    """Post, and close the connection unless it is to `keep`."""
    try:
        return poster.post(url, b"{}", HEADERS)
    finally:
        if not keep:
            poster.close()


@pytest.mark.parametrize("status", [200, 204, 302, 410, 500])
def test_the_status_is_the_answer(status: int) -> None:
    """A redirect too: nothing is followed."""
    reply = f"HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".encode()
    with serving(replying(reply)) as server:
        assert Answered(status) == post(server)
    assert 1 == len(server.requests)


def test_what_is_sent() -> None:
    """A JSON body with the given headers, and nothing that tells of the machine."""
    with serving(replying(OK)) as server:
        post(server)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    names = {line.partition(b":")[0].lower() for line in head.splitlines()[1:]}

    assert b"{}" == body
    assert {
        b"host",
        b"user-agent",
        b"content-type",
        b"accept-encoding",
        b"connection",
        b"webhook-id",
        b"content-length",
    } == names


def test_a_connection_serves_many() -> None:
    """Posts of one thread in a row share it."""
    poster = Poster(HERE)
    with serving(replying(NO_BODY)) as server:
        answers = [post(server, poster) for _ in range(3)]
        poster.close()

    assert [Answered(204)] * 3 == answers
    assert 1 == server.connections


def test_one_that_drips_is_left_in_time() -> None:
    """One deadline bounds the call, however often a byte comes."""
    began = time.monotonic()
    with serving(dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 100)) as server:
        assert Unanswered("TimeoutError") == post(server, Poster(HERE, total_seconds=0.5))
    assert time.monotonic() - began < 5


def test_the_status_counts_whatever_becomes_of_the_body() -> None:
    """It has said 200: a body that drips or breaks off changes nothing."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    for script in (dripping(head, b"x" * 50), dripping(head, b"")):
        with serving(script) as server:
            assert Answered(200) == post(server, Poster(HERE, total_seconds=0.5))


def test_one_that_says_nothing_is_left_in_time() -> None:
    """And is no more than an answer that did not come."""

    def silent(peer: Peer) -> None:
        peer.request()
        peer.server.stopped.wait(5)

    with serving(silent) as server:
        assert Unanswered("TimeoutError") == post(server, Poster(HERE, total_seconds=0.3))


def test_a_long_answer_is_not_read_to_its_end() -> None:
    """Its status counts; the connection is not used again."""
    size = ANSWER_CAP * 20
    reply = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size
    poster = Poster(HERE)
    with serving(replying(reply)) as server:
        assert [Answered(200)] * 2 == [post(server, poster) for _ in range(2)]
        poster.close()
    assert 2 == server.connections


class Names:
    """A resolver that answers each time with the next of some addresses."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers: Iterator[Sequence[str]] = iter(answers)
        self.asked = 0

    def __call__(self, _host: str, _port: int) -> Sequence[str]:
        self.asked += 1
        return next(self._answers)


def test_a_name_that_moves_inside_is_not_followed() -> None:
    """The address judged is the one connected to: it is asked for once, and 127.0.0.1 is never reached."""
    names = Names(["192.0.2.1"], ["127.0.0.1"])
    with serving(replying(OK)) as server:
        answer = send(Poster(resolver=names), f"https://shop.example:{server.port}/")

    assert (Unanswered("AddressRefused"), 1, 0) == (answer, names.asked, server.connections)


def test_each_connection_is_judged_anew() -> None:
    """What was fine a moment ago may point inside now."""
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    poster = Poster(HERE, resolver=names)
    with serving(replying(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")) as server:
        url = f"http://shop.example:{server.port}/"
        answers = [send(poster, url, keep=True) for _ in range(2)]

    assert [Answered(200), Unanswered("AddressRefused")] == answers
    assert 1 == server.connections


def test_the_refused_addresses_of_a_name_are_left_out() -> None:
    """It is connected to one that is allowed, not to the first."""
    with serving(replying(OK)) as server:
        poster = Poster(HERE, resolver=Names(["10.0.0.1", "::ffff:169.254.169.254", "127.0.0.1"]))
        assert Answered(200) == send(poster, f"http://shop.example:{server.port}/")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433"])
def test_no_spelling_of_loopback_is_called(host: str) -> None:
    """Unless it was allowed."""
    with serving(replying(OK)) as server:
        answer = send(Poster(), f"https://{host}:{server.port}/")

    assert isinstance(answer, Unanswered)
    assert 0 == server.connections


def test_a_certificate_is_verified(certificate: tuple[str, str]) -> None:
    """Against the bundle, and against the name that was asked for, whatever its address."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    with serving(replying(OK), tls) as server:
        trusting = Poster(HERE, ca_bundle=certificate[0], resolver=lambda *_: ["127.0.0.1"])
        answers = [
            send(trusting, f"https://shop.invalid:{server.port}/"),
            send(trusting, f"https://other.invalid:{server.port}/"),
            send(Poster(HERE), server.url),
        ]

    assert [Answered(200), *[Unanswered("SSLCertVerificationError")] * 2] == answers
    assert 1 == len(server.requests)


def test_nobody_there() -> None:
    """No connection, no name: an error's name."""
    assert Unanswered("ConnectionRefusedError") == send(Poster(HERE), "http://127.0.0.1:1/")
    assert Unanswered("gaierror") == send(Poster(), "https://nowhere.invalid/")
