"""What the receiver refuses, and with which answer."""

from __future__ import annotations

import base64
import http.client
import time

import pytest
from harness import eventually
from receiver_process import REPORT, SECRET, Arrived, ReceiverProcess, Start

from demo.valkey import RunningServer
from listening.guesses import FREE

BASIC = "cm:canary-password"


def basic(user_and_password: str) -> str:
    return "Basic " + base64.b64encode(user_and_password.encode()).decode()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/cm",
        "/cm/status",
        "/cm/status/",
        f"/cm/status/{SECRET}/",
        f"/cm/status/{SECRET}/x",
        f"/cm/STATUS/{SECRET}",
        f"/cm/poems/{SECRET}",
        f"//cm/status/{SECRET}",
        f"/cm/status/{SECRET[:-1]}",
        f"/cm/status/{SECRET}x",
        f"/cm/status/{SECRET.upper()}",
        "/cm/status/" + "a" * 4000,
        "/cm/status/%ff%00",
        "/cm/inbound/wrong-secret-0123456789",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_a_wrong_secret_and_a_path_that_does_not_exist_are_the_same(
    receiver: ReceiverProcess, arrived: Arrived, path: str, method: str
) -> None:
    """404 with nothing in it, whatever the method: a stranger learns nothing."""
    answer = receiver.ask(method, path, REPORT)

    told = {name.lower() for name in answer.headers}
    assert (404, b"", {"date", "content-length"}) == (answer.status_code, answer.content, told)
    assert [] == arrived()


@pytest.mark.parametrize(
    ("word", "method", "allowed"),
    [
        ("status", "PUT", "GET, POST"),
        ("status", "HEAD", "GET, POST"),
        ("status", "DELETE", "GET, POST"),
        ("inbound", "GET", "POST"),
        ("events", "GET", "POST"),
        ("events", "OPTIONS", "POST"),
    ],
)
def test_a_wrong_method_is_told_which_are_right(
    receiver: ReceiverProcess, arrived: Arrived, word: str, method: str, allowed: str
) -> None:
    """405, for who knows the secret."""
    answer = receiver.ask(method, f"/cm/{word}/{SECRET}?reference=x")

    assert (405, allowed, b"") == (answer.status_code, answer.headers["Allow"], answer.content)
    assert [] == arrived()


def test_an_empty_body_is_refused(receiver: ReceiverProcess, arrived: Arrived) -> None:
    """400: it tells of nothing; so does a GET without a query."""
    answers = [
        receiver.post(b""),
        receiver.ask("GET", f"/cm/status/{SECRET}"),
        receiver.ask("GET", f"/cm/status/{SECRET}?account=second&&"),
    ]

    assert [400, 400, 400] == [answer.status_code for answer in answers]
    assert [] == arrived()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity, gzip", "nonsense"])
def test_an_encoded_body_is_refused(receiver: ReceiverProcess, arrived: Arrived, encoding: str) -> None:
    """415: what is packed small may unpack large."""
    assert 415 == receiver.post(Content_Encoding=encoding).status_code
    assert [] == arrived()


def test_a_body_that_is_too_long_is_refused(receiver: ReceiverProcess, arrived: Arrived) -> None:
    """413, whether or not its length is announced."""
    body = b"x" * ((1 << 18) + 1)
    with receiver.connected() as connection:
        head = f"POST /cm/status/{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode())
        announced = http.client.HTTPResponse(connection)
        announced.begin()
    with receiver.connected() as connection:
        connection.sendall(
            f"POST /cm/status/{SECRET} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            + f"{len(body):x}\r\n".encode()
            + body
            + b"\r\n"  # it does not end here
        )
        chunked = http.client.HTTPResponse(connection)
        chunked.begin()

    assert [413, 413] == [announced.status, chunked.status]
    assert [] == arrived()


@pytest.mark.parametrize(
    "lines",
    [
        f"Content-Length: {len(REPORT)}\r\nTransfer-Encoding: chunked",
        f"Content-Length: {len(REPORT)}\r\nContent-Length: {len(REPORT) - 1}",
        f"Authorization: a\r\nAuthorization: b\r\nContent-Length: {len(REPORT)}",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(
    receiver: ReceiverProcess, arrived: Arrived, lines: str
) -> None:
    """400 with nothing in it, and the connection is not used again."""
    with receiver.connected() as connection:
        connection.sendall(
            f"POST /cm/status/{SECRET} HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n".encode() + REPORT
        )
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (400, b"") == (answer.status, answer.read())
        assert b"" == connection.recv(1)
    assert [] == arrived()


@pytest.mark.parametrize(
    "sent", [b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_what_is_not_http_is_refused_without_a_word(receiver: ReceiverProcess, sent: bytes) -> None:
    """400, and the connection is closed."""
    with receiver.connected() as connection:
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (400, b"") == (answer.status, answer.read())


def test_a_body_that_ends_early_is_not_taken(receiver: ReceiverProcess, arrived: Arrived) -> None:
    """Nobody hears an answer, and nothing of it is in the stream."""
    before = len(receiver.events("webhooks.refused"))
    with receiver.connected() as connection:
        head = f"POST /cm/status/{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(head.encode() + b"{")
    eventually(lambda: len(receiver.events("webhooks.refused")) > before)

    assert [] == arrived()


def test_a_slow_one_is_cut_off(start: Start, valkey: RunningServer, arrived: Arrived) -> None:
    """408, for a head and for a body that take longer than is set."""
    receiver = start(valkey.url, CMQUEUE_RECEIVER_SECONDS="0.3")
    statuses = []
    for sent in ("", "Content-Length: 100\r\n\r\n{"):
        with receiver.connected() as connection:
            connection.sendall(f"POST /cm/status/{SECRET} HTTP/1.1\r\nHost: x\r\n{sent}".encode())
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            statuses.append(answer.status)

    assert [408, 408] == statuses
    assert [] == arrived()


def test_connections_are_bounded(start: Start, valkey: RunningServer) -> None:
    """One too many is told 503 and when to come again."""
    receiver = start(valkey.url, CMQUEUE_RECEIVER_CONNECTIONS="3")
    kept = [receiver.connected() for _ in range(3)]
    try:
        for connection in kept:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200" in connection.recv(1000)
        with receiver.connected() as further:
            answer = http.client.HTTPResponse(further)
            answer.begin()
            assert (503, "1", b"") == (answer.status, answer.headers["Retry-After"], answer.read())
    finally:
        for connection in kept:
            connection.close()


def test_the_rate_is_bounded(start: Start, valkey: RunningServer, arrived: Arrived) -> None:
    """Above it 503 and when to come again; wrong secrets don't count, and a second later there is room."""
    receiver = start(valkey.url, CMQUEUE_RECEIVER_PER_SECOND="3")
    for _ in range(10):
        receiver.post(secret="wrong-secret-0123456789")
    answers = [receiver.post() for _ in range(20)]

    statuses = [answer.status_code for answer in answers]
    assert [200, 200, 200] == statuses[:3]
    assert {200, 503} == set(statuses)
    assert {"1"} == {answer.headers["Retry-After"] for answer in answers if answer.status_code == 503}
    assert statuses.count(200) == len(arrived())
    eventually(lambda: receiver.post().status_code == 200)


def test_only_the_sources_may_come(start: Start, valkey: RunningServer, arrived: Arrived) -> None:
    """403 from elsewhere, whether the secret is right or wrong; /health is open all the same."""
    receiver = start(valkey.url, CMQUEUE_RECEIVER_SOURCES="192.0.2.0/24, 2001:db8::/32")
    answers = [
        receiver.post(),
        receiver.post(X_Forwarded_For="192.0.2.1"),
        receiver.post(secret="wrong-secret-0123456789"),
        receiver.ask("GET", "/nowhere"),
    ]

    assert [(403, b"")] * 4 == [(answer.status_code, answer.content) for answer in answers]
    assert 200 == receiver.ask("GET", "/health").status_code
    assert [] == arrived()


def test_behind_a_proxy_its_word_on_the_source_counts(
    start: Start, valkey: RunningServer, arrived: Arrived
) -> None:
    """Only the entry that the proxy added, not what the sender wrote before it."""
    receiver = start(
        valkey.url, CMQUEUE_RECEIVER_SOURCES="192.0.2.0/24, 2001:db8::/32", CMQUEUE_RECEIVER_PROXIES="1"
    )
    forwarded = {
        "192.0.2.1": 200,
        "198.51.100.1, 192.0.2.1": 200,
        "2001:db8::1": 200,
        "192.0.2.1, 198.51.100.1": 403,
        "nonsense": 403,
    }

    assert forwarded == {value: receiver.post(X_Forwarded_For=value).status_code for value in forwarded}
    assert 403 == receiver.post().status_code
    assert 3 == len(arrived())


def test_where_a_password_is_set_it_is_demanded(
    start: Start, valkey: RunningServer, arrived: Arrived
) -> None:
    """401 without it or with another, but 404 for a wrong secret first; 200 with it."""
    receiver = start(valkey.url, CMQUEUE_RECEIVER_BASIC=BASIC)
    wrong = ["", "Basic", "Basic !!!", basic("cm:wrong"), basic("CM:canary-password"), f"Basic {BASIC}"]
    wrong += [basic(BASIC).replace("Basic", "Bearer")]
    answers = [receiver.post(Authorization=value) for value in wrong]

    assert [(401, b'Basic realm="cmqueue"')] * len(wrong) == [
        (answer.status_code, answer.headers["WWW-Authenticate"].encode()) for answer in answers
    ]
    assert 404 == receiver.post(secret="wrong-secret-0123456789", Authorization=basic(BASIC)).status_code
    assert 200 == receiver.post(Authorization=basic(BASIC)).status_code
    assert 200 == receiver.post(Authorization=basic(BASIC).replace("Basic", "basic")).status_code
    assert 2 == len(arrived())


def test_guesses_are_slowed_and_logged(start: Start, valkey: RunningServer) -> None:
    """After some wrong secrets each waits longer, a right one never; the log has the peer alone."""
    receiver = start(valkey.url, CMQUEUE_RECEIVER_GUESS_SECONDS="0.4")
    took = [receiver.post(secret=f"canary-guess-{n:010}").elapsed.total_seconds() for n in range(FREE + 2)]
    began = time.monotonic()
    right = receiver.post()

    assert took[-1] > 0.35 > took[0]
    assert (200, True) == (right.status_code, time.monotonic() - began < 0.35)
    refusals = receiver.events("caller.refused")
    assert [("127.0.0.1", 404)] * (FREE + 2) == [(one["peer"], one["status"]) for one in refusals]
