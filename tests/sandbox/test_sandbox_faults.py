"""Every fault, over a real socket: what the client sees, and whether the messages count as taken."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Self
from urllib.parse import urlsplit

import pytest

from sandbox.faults import KINDS, BadFault, read_fault
from sandbox.running import SandboxClient, running

Post = Callable[..., Any]
Message = Callable[..., dict[str, Any]]


class Wire:
    """A socket to a sandbox, for what an HTTP client would hide."""

    def __init__(self, sandbox: SandboxClient) -> None:
        address = urlsplit(sandbox.url)
        self.socket = socket.create_connection((address.hostname or "", address.port or 0), timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def rest(self) -> bytes:
        """All there is until the other side closes."""
        chunks = []
        while chunk := self.socket.recv(65536):
            chunks.append(chunk)
        return b"".join(chunks)


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def taken(sandbox: SandboxClient) -> int:
    count = sandbox.counts()["messages"]
    assert isinstance(count, int)
    return count


# What each kind does


@pytest.mark.parametrize("status", [401, 403, 413, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524])
def test_status_answers_with_a_page(
    sandbox: SandboxClient, post: Post, message: Message, status: int
) -> None:
    """An HTML page; nothing is taken."""
    sandbox.faults({"kind": "status", "status": status})
    reply = post(sandbox, message())
    assert status == reply.status
    assert reply.headers["content-type"].startswith("text/html")
    assert 0 == taken(sandbox)


@pytest.mark.parametrize("wait", [7, "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_status_may_say_when_to_come_back(
    sandbox: SandboxClient, post: Post, message: Message, wait: int | str
) -> None:
    """Retry-After as seconds or as a date."""
    sandbox.faults({"kind": "status", "status": 429, "retry_after": wait})
    assert str(wait) == post(sandbox, message()).headers["retry-after"]


@pytest.mark.parametrize("code", [101, 102, 103, 202, 203, 500, 999])
def test_status_may_bring_an_envelope(
    sandbox: SandboxClient, post: Post, message: Message, code: int
) -> None:
    """CM's own JSON with an error code, and no rows."""
    sandbox.faults({"kind": "status", "status": 400, "error_code": code})
    reply = post(sandbox, message())
    assert (400, code, []) == (reply.status, reply.document["errorCode"], reply.document["messages"])


def test_status_may_have_taken_the_messages(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """A gateway that times out behind a proxy may have done its work."""
    sandbox.faults({"kind": "status", "status": 504, "taken": True})
    assert 504 == post(sandbox, message()).status
    assert 1 == taken(sandbox)


def test_refuse_shuts_the_door_for_a_while(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """Connecting is refused, from the moment the order is answered until the time is over."""
    with Wire(sandbox) as idle:
        sandbox.faults({"kind": "refuse", "seconds": 0.6})
        with pytest.raises(ConnectionRefusedError):
            Wire(sandbox)
        assert b"" == idle.rest(), "an idle connection is closed"

    def answered() -> bool:
        try:
            return bool(post(sandbox, message()).status == 200)
        except ConnectionRefusedError:
            return False

    until(answered)


def test_refuse_takes_nothing_but_seconds(sandbox: SandboxClient) -> None:
    """Connections that were never made cannot be counted."""
    with pytest.raises(RuntimeError, match="refuse takes `seconds`"):
        sandbox.faults({"kind": "refuse", "count": 3})


def test_drop_before_resets_and_takes_nothing(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """The request was read whole."""
    sandbox.faults({"kind": "drop_before"})
    with pytest.raises(ConnectionResetError):
        post(sandbox, message())
    assert 0 == taken(sandbox)


def test_drop_after_resets_but_has_taken(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """The client cannot tell it from the fault before."""
    sandbox.faults({"kind": "drop_after"})
    with pytest.raises(ConnectionResetError):
        post(sandbox, message())
    assert 1 == taken(sandbox)


def test_partial_answer_closes_in_the_middle(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """The head promises more bytes than come; the messages are taken."""
    sandbox.faults({"kind": "partial_answer"})
    with pytest.raises(http.client.IncompleteRead) as caught:
        post(sandbox, message())
    assert caught.value.partial.startswith(b'{"details"')
    assert 1 == taken(sandbox)


@pytest.mark.parametrize("was_taken", [True, False])
def test_not_json_is_a_page_with_200(
    sandbox: SandboxClient, post: Post, message: Message, was_taken: bool
) -> None:
    """Whether the messages are taken is for the test to say."""
    sandbox.faults({"kind": "not_json", "taken": was_taken})
    reply = post(sandbox, message())
    assert (200, "text/html; charset=utf-8") == (reply.status, reply.headers["content-type"])
    assert was_taken == bool(taken(sandbox))


def test_slow_answers_late(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """Not before its time, and then as ever; taken."""
    sandbox.faults({"kind": "slow", "ms": 150})
    began = time.monotonic()
    reply = post(sandbox, message())
    assert time.monotonic() - began >= 0.15
    assert (0, 1) == (reply.document["errorCode"], taken(sandbox))


def test_slow_takes_before_it_answers(
    sandbox: SandboxClient, request_bytes: Callable[..., bytes], message: Message
) -> None:
    """A client that gives up has sent its messages all the same."""
    sandbox.faults({"kind": "slow", "ms": 60_000})
    with Wire(sandbox) as wire:
        wire.socket.sendall(request_bytes(message()))
        until(lambda: taken(sandbox) == 1)
        wire.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            wire.socket.recv(1)


def test_drip_brings_the_answer_byte_by_byte(
    sandbox: SandboxClient, request_bytes: Callable[..., bytes], message: Message
) -> None:
    """A read brings less than there is, but the whole is right in the end."""
    sandbox.faults({"kind": "drip", "ms": 0.5})
    with Wire(sandbox) as wire:
        wire.socket.sendall(request_bytes(message()))
        first = wire.socket.recv(65536)
        whole = first + wire.rest()
    assert len(first) < len(whole)
    assert 0 == json.loads(whole.partition(b"\r\n\r\n")[2])["errorCode"]
    assert 1 == taken(sandbox)


@pytest.mark.parametrize("was_taken", [True, False])
def test_hang_never_answers(
    sandbox: SandboxClient, request_bytes: Callable[..., bytes], message: Message, was_taken: bool
) -> None:
    """The connection stays open."""
    sandbox.faults({"kind": "hang", "taken": was_taken})
    with Wire(sandbox) as wire:
        wire.socket.sendall(request_bytes(message()))
        until(lambda: sandbox.faults()[0]["struck"] == 1)
        wire.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            wire.socket.recv(1)
    assert was_taken == bool(taken(sandbox))


def test_missing_row_leaves_the_last_one_out(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """All were taken, and the details say so."""
    sandbox.faults({"kind": "missing_row"})
    reply = post(sandbox, message("0031600000001", "0031600000002"))
    assert ["0031600000001"] == [row["to"] for row in reply.document["messages"]]
    assert (200, "Created 2 message(s)", 2) == (reply.status, reply.document["details"], taken(sandbox))


def test_a_lone_row_can_be_missing(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """It is then a success without any row."""
    sandbox.faults({"kind": "missing_row"})
    reply = post(sandbox, message())
    assert (200, 0, []) == (reply.status, reply.document["errorCode"], reply.document["messages"])


def test_extra_row_tells_of_somebody_else(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """It is not counted."""
    sandbox.faults({"kind": "extra_row"})
    reply = post(sandbox, message())
    assert ["0031600000001", "0031600000000"] == [row["to"] for row in reply.document["messages"]]
    assert 1 == taken(sandbox)


def test_wrong_reference_is_told_but_the_right_one_counted(
    sandbox: SandboxClient, post: Post, message: Message
) -> None:
    """In every row."""
    sandbox.faults({"kind": "wrong_reference"})
    reply = post(sandbox, message())
    assert ["XREF1"] == [row["reference"] for row in reply.document["messages"]]
    assert {("REF1", "0031600000001"): 1} == sandbox.pairs()


def test_mixed_rejects_each_nth(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """Counted on over the requests; the rejected are not taken."""
    sandbox.faults({"kind": "mixed", "nth": 3, "code": 500})
    numbers = [f"003160000000{i}" for i in range(4)]
    first = post(sandbox, message(*numbers)).document
    second = post(sandbox, message(*numbers)).document
    assert (201, [0, 0, 500, 0]) == (first["errorCode"], [r["messageErrorCode"] for r in first["messages"]])
    assert [0, 500, 0, 0] == [row["messageErrorCode"] for row in second["messages"]]
    assert (6, 2) == (taken(sandbox), sandbox.counts()["rejected"])


def test_reject_all(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """HTTP 400, code 201, every row with the code."""
    sandbox.faults({"kind": "reject_all", "code": 403})
    reply = post(sandbox, message("0031600000001", "0031600000002"))
    assert (400, 201) == (reply.status, reply.document["errorCode"])
    assert [403, 403] == [row["messageErrorCode"] for row in reply.document["messages"]]
    assert 0 == taken(sandbox)


def test_reject_all_may_mean_only_some_numbers(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """The others in the same request are accepted."""
    sandbox.faults({"kind": "reject_all", "code": 402, "numbers": ["+31600000002"]})
    reply = post(sandbox, message("0031600000001", "0031600000002"))
    assert [0, 402] == [row["messageErrorCode"] for row in reply.document["messages"]]


# When it strikes


def test_count_ends_a_fault(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """It strikes the next so many requests."""
    sandbox.faults({"kind": "status", "count": 2})
    assert [503, 503, 200] == [post(sandbox, message()).status for _ in range(3)]
    (fault,) = sandbox.faults()
    assert (2, False) == (fault["struck"], fault["active"])


def test_seconds_end_a_fault(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """It strikes from now on for so long."""
    sandbox.faults({"kind": "status", "seconds": 0.5})
    assert 503 == post(sandbox, message()).status
    until(lambda: post(sandbox, message()).status == 200)


def test_numbers_choose_requests(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """One such recipient is enough; a star stands for the rest of a number."""
    sandbox.faults({"kind": "status", "numbers": ["003160000001*"]})
    assert 200 == post(sandbox, message("0031600000001")).status
    assert 503 == post(sandbox, message("0031600000001", "+31600000012")).status


def test_the_first_that_fits_strikes(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """The next one has its turn when the first is spent."""
    sandbox.faults(
        {"kind": "status", "status": 502, "count": 1}, {"kind": "status", "status": 503, "count": 1}
    )
    assert [502, 503, 200] == [post(sandbox, message()).status for _ in range(3)]


def test_clear_ends_all(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """And forgets them."""
    sandbox.faults({"kind": "status"})
    sandbox.clear()
    assert [] == sandbox.faults()
    assert 200 == post(sandbox, message()).status


def test_one_seed_makes_one_course(post: Post, message: Message) -> None:
    """Two sandboxes of one seed strike the same requests; half of them, about."""

    def course(run: AbstractContextManager[SandboxClient]) -> Iterator[bool]:
        with run as sandbox:
            for _ in range(40):
                yield post(sandbox, message()).status == 503

    flags = {"seed": 7, "fault": {"kind": "status", "probability": 0.5}}
    first = list(course(running(**flags)))
    assert first == list(course(running(**flags)))
    assert 5 < sum(first) < 35


def test_struck_requests_are_counted(sandbox: SandboxClient, post: Post, message: Message) -> None:
    """As requests, as faulted and, when nothing was taken, as refused."""
    sandbox.faults({"kind": "status", "count": 1}, {"kind": "not_json", "count": 1})
    for _ in range(3):
        post(sandbox, message())
    counts = sandbox.counts()
    assert (3, 2, 1) == (counts["requests"], counts["faulted"], counts["refused"])


# What is a fault


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"refuse"}))
def test_every_kind_can_be_ordered_bare(kind: str) -> None:
    """All fields have a default."""
    assert KINDS[kind].taken == read_fault({"kind": kind}).taken


@pytest.mark.parametrize(
    ("problem", "order"),
    [
        ("object", "status"),
        ("kind", {}),
        ("kind", {"kind": "earthquake"}),
        ("colour", {"kind": "status", "colour": "red"}),
        ("ms", {"kind": "status", "ms": 5}),
        ("status", {"kind": "status", "status": 999}),
        ("count", {"kind": "status", "count": 0}),
        ("count", {"kind": "status", "count": True}),
        ("probability", {"kind": "status", "probability": 1.5}),
        ("numbers", {"kind": "status", "numbers": "0031600000001"}),
        ("taken", {"kind": "drop_after", "taken": False}),
        ("retry_after", {"kind": "status", "retry_after": "1\r\nX: y"}),
        ("body", {"kind": "status", "body": "xml"}),
        ("refuse", {"kind": "refuse"}),
    ],
)
def test_a_wrong_order_is_refused_by_name(problem: str, order: Any) -> None:
    """The text says which property it is."""
    with pytest.raises(BadFault, match=problem):
        read_fault(order)
