"""What is refused, and how; beside the sandbox, which reads CM's documentation on its own."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from harness import TOKEN
from hypothesis import given, settings
from hypothesis import strategies as st
from intake_process import IntakeProcess, msg, request_of, rows_of

from cmqueue.job import Job
from demo.valkey import RunningServer
from sandbox.running import SandboxClient, running

Claimed = Callable[..., list[Job]]
NUMBER = "0031600000001"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxClient]:
    """CM, as the sandbox reads its documentation."""
    with running(token=TOKEN) as client:
        yield client


@pytest.fixture(scope="module")
def strict(valkey: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IntakeProcess]:
    """An intake that takes small bodies and waits for them but shortly."""
    log = tmp_path_factory.mktemp("strict") / "log"
    process = IntakeProcess(valkey.url, log, CMQUEUE_INTAKE_BYTES="2000", CMQUEUE_INTAKE_SECONDS="0.3")
    try:
        yield process.wait()
    finally:
        process.close()


AS_AT_CM: dict[str, Any] = {
    "one": request_of(msg(NUMBER, reference="r1")),
    "two recipients": request_of(msg(NUMBER, "+447700900001")),
    "upper case keys": {
        "MESSAGES": {"MSG": [{"FROM": "A", "TO": [{"NUMBER": NUMBER}], "BODY": {"CONTENT": "x"}}]}
    },
    "no reference": request_of(msg(NUMBER)),
    "no type": request_of(msg(NUMBER) | {"body": {"content": "x"}}),
    "a space in the sender": request_of(msg(NUMBER, sender="CM Telecom")),
    "rich alone": request_of(
        msg(NUMBER, text="", allowedChannels=["RCS"], richContent={"conversation": [{"text": "x"}]})
    ),
    "an opaque recipient": request_of(msg("a-psid", allowedChannels=["Facebook Messenger"])),
    "no sender": request_of(msg(NUMBER, **{"from": None})),
    "sender too long": request_of(msg(NUMBER, sender="TwelveLetter")),
    "no recipients": request_of(msg()),
    "to is absent": request_of({"from": "Acme", "body": {"content": "x"}}),
    "recipient without a number": request_of(msg() | {"to": [{}]}),
    "a letter in the number": request_of(msg("0044791112345a")),
    "an empty number": request_of(msg("")),
    "one bad of two": request_of(msg(NUMBER, "bad")),
    "one bad msg of two": request_of(msg(NUMBER), msg(NUMBER, text="")),
    "an empty body": request_of(msg(NUMBER, text="")),
    "an empty body for two": request_of(msg(NUMBER, NUMBER, text="")),
    "no body": request_of(msg(NUMBER) | {"body": None}),
    "an unknown body type": request_of(msg(NUMBER) | {"body": {"type": "morse", "content": "x"}}),
    "an unknown channel": request_of(msg(NUMBER, allowedChannels=["Pigeon"])),
    "a wrong validity": request_of(msg(NUMBER, validity="2h30m")),
    "too large a grouping": request_of(msg(NUMBER, customGrouping="x" * 101)),
    "parts the wrong way round": request_of(
        msg(NUMBER, minimumNumberOfMessageParts=3, maximumNumberOfMessageParts=2)
    ),
    "too many parts": request_of(msg(NUMBER, maximumNumberOfMessageParts=256)),
    "an app key that is none": request_of(msg(NUMBER, appKey="x")),
    "dcs out of range": request_of(msg(NUMBER, dcs=300) | {"body": {"type": "text", "content": "x"}}),
    "a list": [],
    "a text": "x",
    "messages is absent": {},
    "messages is null": {"messages": None},
    "messages is a list": {"messages": []},
    "msg is absent": {"messages": {}},
    "msg is empty": request_of(),
    "msg is an object": {"messages": {"msg": msg(NUMBER)}},
    "a msg is a text": request_of("x"),
    "from is a number": request_of(msg(NUMBER, **{"from": 5})),
    "to is an object": request_of(msg() | {"to": {"number": NUMBER}}),
    "a number is a number": request_of(msg() | {"to": [{"number": 31600000001}]}),
    "body is a text": request_of(msg(NUMBER) | {"body": "x"}),
    "parts are a text": request_of(msg(NUMBER, maximumNumberOfMessageParts="8")),
    "a channel is a number": request_of(msg(NUMBER, allowedChannels=[1])),
    "rich content is a list": request_of(msg(NUMBER, richContent=[])),
    "a conversation is an object": request_of(msg(NUMBER, richContent={"conversation": {"text": "x"}})),
    "a bubble is a text": request_of(msg(NUMBER, richContent={"conversation": ["x"]})),
    "1001 msg": request_of(*[msg(NUMBER)] * 1001),
    "1001 recipients": request_of(msg(*[NUMBER] * 1001)),
}


@pytest.mark.parametrize(
    "document",
    [request_of(msg(*[NUMBER] * 1001)), request_of(*[msg(*[NUMBER] * 1000)] * 10, msg(NUMBER))],
    ids=["1001 of a msg", "10,001 in all"],
)
def test_so_many_recipients_are_refused(intake: IntakeProcess, document: object) -> None:
    """CM takes 1000 of a msg and says nothing of a whole request: that is bounded for our memory's sake."""
    answer = intake.post(document)

    assert (400, 203, []) == (answer.status_code, answer.json()["errorCode"], answer.json()["messages"])


@pytest.mark.parametrize("document", AS_AT_CM.values(), ids=AS_AT_CM.keys())
def test_the_answer_is_cms_own(intake: IntakeProcess, sandbox: SandboxClient, document: object) -> None:
    """Status, code, and of each row recipient, status, reference and code: as the sandbox has them."""
    headers = {"X-CM-PRODUCTTOKEN": TOKEN}
    told = [
        requests.post(f"{url}/v1.0/message", json=document, headers=headers, timeout=30)
        for url in (sandbox.url, intake.url)
    ]

    expected, actual = (
        (
            answer.status_code,
            answer.json()["errorCode"],
            [
                {name: row[name] for name in ("to", "status", "reference", "messageErrorCode")}
                for row in answer.json()["messages"]
            ],
        )
        for answer in told
    )
    assert expected == actual


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b'{"messages":"\xe9"}',
        b"[" * 100_000,
        b"{} {}",
        b'{"messages":NaN}',
    ],
    ids=["empty", "cut", "word", "bytes", "latin-1", "deep", "two", "nan"],
)
def test_what_is_not_json_is_malformed(intake: IntakeProcess, body: bytes) -> None:
    """400 with 202 and no rows."""
    answer = intake.post(body=body)

    assert (400, 202, []) == (answer.status_code, answer.json()["errorCode"], answer.json()["messages"])


def test_deeply_nested_rich_content_is_rejected(intake: IntakeProcess) -> None:
    """JSON that can be read but not kept is a wrong field of its message: 305."""
    rich: dict[str, Any] = {}
    for _ in range(60):
        rich = {"nested": rich}

    answer = intake.post(request_of(msg(NUMBER, richContent=rich)))

    assert [(NUMBER, "Rejected", 305)] == rows_of(answer)


@pytest.mark.parametrize(
    "token",
    [None, "", "x", TOKEN[:-1], TOKEN[:-1] + "2", TOKEN.replace("-", ""), TOKEN + "1", "\xe9" * 36],
)
def test_a_token_of_no_account_is_refused(intake: IntakeProcess, claimed: Claimed, token: str | None) -> None:
    """400 with 101, as CM's page on responses shows it, whatever the body is."""
    answer = intake.post(request_of(msg(NUMBER)), token=token)

    assert 400 == answer.status_code
    assert {
        "details": "No account found for the given authentication",
        "errorCode": 101,
        "messages": [],
    } == answer.json()
    assert [] == claimed()


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Cmqueue-Lane", "express"),
        ("Cmqueue-Lane", ""),
        ("Cmqueue-Send-At", "tomorrow"),
        ("Cmqueue-Send-At", "2026-01-01T12:00:00"),
        ("Cmqueue-Expires-In", "soon"),
        ("Cmqueue-Expires-In", "-1"),
        ("Cmqueue-Expires-In", "nan"),
        ("Idempotency-Key", ""),
        ("Idempotency-Key", "k" * 256),
    ],
)
def test_a_wrong_option_is_refused_by_name(
    intake: IntakeProcess, claimed: Claimed, header: str, value: str
) -> None:
    """400 with 202, naming the header; nothing is queued."""
    answer = intake.post(request_of(msg(NUMBER)), **{header: value})

    assert (400, 202) == (answer.status_code, answer.json()["errorCode"])
    assert answer.json()["details"].startswith(f"{header}: ")
    assert [] == claimed()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_long_body_is_refused(strict: IntakeProcess, chunked: bool) -> None:
    """413 in an envelope, announced or not; the connection serves on."""
    body = b" " * 50_000
    headers = {"X-CM-PRODUCTTOKEN": TOKEN}

    answer = strict.session.post(
        f"{strict.url}/v1.0/message", data=iter([body]) if chunked else body, headers=headers, timeout=10
    )

    assert (413, 202, []) == (answer.status_code, answer.json()["errorCode"], answer.json()["messages"])
    assert 200 == strict.post(request_of(msg(NUMBER))).status_code


def test_a_long_body_is_refused_before_it_came(strict: IntakeProcess) -> None:
    """The announced length is enough."""
    with _raw(strict, content_length=10**9) as connection:
        connection.sendall(b"{")
        assert 413 == _answer(connection)[0]


def test_a_slow_body_is_refused(strict: IntakeProcess) -> None:
    """408 in an envelope, once the time is over."""
    with _raw(strict, content_length=100) as connection:
        connection.sendall(b"{")
        status, document = _answer(connection)
        assert (408, []) == (status, document["messages"])


def test_a_client_that_leaves_does_no_harm(strict: IntakeProcess) -> None:
    """Half a body and a closed connection: the intake serves on."""
    with _raw(strict, content_length=100) as connection:
        connection.sendall(b"{")
    assert 200 == strict.post(request_of(msg(NUMBER))).status_code
    assert [] == strict.events("request.failed")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("POST", "/v1.0/messages", 404),
        ("POST", "/v1.0/message/", 404),
        ("GET", "/v1.0/message", 405),
        ("PUT", "/v1.0/message", 405),
        ("POST", "/health", 405),
    ],
)
def test_elsewhere_is_nothing(intake: IntakeProcess, method: str, path: str, status: int) -> None:
    """404 and 405, in an envelope too; 405 says what is allowed."""
    answer = requests.request(method, intake.url + path, timeout=30)

    assert (status, []) == (answer.status_code, answer.json()["messages"])
    assert (status == 405) == ("Allow" in answer.headers)


def test_an_echo_does_not_multiply(intake: IntakeProcess) -> None:
    """A reference too long to keep is not repeated whole for each of a thousand recipients."""
    answer = intake.post(request_of(msg(*[NUMBER] * 1000, reference="r" * 1_000_000)))

    assert {305} == {code for _, _, code in rows_of(answer)}
    assert len(answer.content) < 1_000_000


_TEXTS = st.text(max_size=12) | st.sampled_from([NUMBER, "", "Acme", "auto", "30m", "\0", "\ud800", "SMS"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)
_NAMES = [
    "from", "to", "body", "reference", "validity", "dcs", "appKey", "richContent", "allowedChannels",
    "customGrouping2", "minimumNumberOfMessageParts", "maximumNumberOfMessageParts", "Body", "FROM",
]  # fmt: skip
_BODIES = st.fixed_dictionaries({}, optional={"content": _TEXTS | _VALUES, "type": _TEXTS | _VALUES})
_MSGS = st.builds(
    lambda good, changes: good | changes,
    st.just(msg(NUMBER)),
    st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=3)
    | st.fixed_dictionaries({"body": _BODIES})
    | st.fixed_dictionaries(
        {"to": st.lists(st.fixed_dictionaries({"number": _TEXTS | _VALUES}), max_size=3)}
    ),
)


@settings(max_examples=300)
@given(
    document=_VALUES
    | st.builds(lambda value: {"messages": value}, _VALUES)
    | st.builds(lambda items: {"messages": {"msg": items}}, _VALUES | st.lists(_MSGS | _VALUES, max_size=3))
)
def test_any_json_gets_an_envelope(intake: IntakeProcess, document: object) -> None:
    """Whatever is sent, CM's envelope comes back, its parts agree with each other, and no 5xx."""
    answer = intake.post(document)

    assert answer.status_code in (200, 400)
    told = answer.json()
    assert {"details", "errorCode", "messages"} == told.keys()
    accepted = sum(row["status"] == "Accepted" for row in told["messages"])
    assert (answer.status_code == 200) == (accepted > 0)
    assert (told["errorCode"] == 0) == (0 < accepted == len(told["messages"]))
    for row in told["messages"]:
        assert (
            (row["status"] == "Accepted") == (row["messageErrorCode"] == 0) == (row["messageDetails"] is None)
        )


@settings(max_examples=100)
@given(body=st.binary(max_size=60))
def test_any_bytes_get_an_envelope(intake: IntakeProcess, body: bytes) -> None:
    """What is no request of CM's is refused as a whole."""
    answer = intake.post(body=body)

    assert (400, []) == (answer.status_code, answer.json()["messages"])


def _raw(intake: IntakeProcess, *, content_length: int) -> socket.socket:
    """A connection on which the head of a request was sent."""
    connection = socket.create_connection(("127.0.0.1", intake.port), timeout=10)
    connection.sendall(
        f"POST /v1.0/message HTTP/1.1\r\nHost: intake\r\nX-CM-PRODUCTTOKEN: {TOKEN}\r\n"
        f"Content-Length: {content_length}\r\n\r\n".encode()
    )
    return connection


def _answer(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read())
