"""The Transactions API: what it finds, in which words, and how it goes wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode

import pytest

from sandbox.faults import BadFault, read_fault
from sandbox.running import SandboxClient, running

Ask = Callable[..., Any]
Message = Callable[..., dict[str, Any]]
Find = Callable[..., Any]

TOKEN = "11111111-1111-1111-1111-111111111111"
PATH = "/v1.2/transactions/"
NOTHING = "There are no transactions available with these parameters"


@pytest.fixture
def open_sandbox(sandbox: SandboxClient) -> SandboxClient:
    """The sandbox with the API on, every message visible and through its course at once."""
    sandbox.webhooks(transactions=0, delay="fixed:0")
    return sandbox


@pytest.fixture
def find(open_sandbox: SandboxClient, get: Ask) -> Find:
    """Asks with these parameters."""

    def ask(**query: object) -> Any:
        return get(open_sandbox, f"{PATH}?{urlencode(query)}", **{"X-CM-PRODUCTTOKEN": TOKEN})

    return ask


def _references(reply: Any) -> list[str]:
    return [row["reference"] for row in reply.document["result"]]


def test_it_is_off_unless_asked_for(sandbox: SandboxClient, get: Ask) -> None:
    """404, and the answer says how to have it."""
    reply = get(sandbox, PATH, **{"X-CM-PRODUCTTOKEN": TOKEN})
    assert 404 == reply.status
    assert "--transactions" in reply.document["message"]


def test_an_answer_has_cm_s_shape(
    open_sandbox: SandboxClient, find: Find, post: Ask, message: Message
) -> None:
    """A status of its own, pages, a sum, and a row for each message."""
    post(open_sandbox, message("0031600006002", customGrouping="spring"))
    document = find(reference="REF1").document
    assert (1, "Ok") == (document["status"], document["message"])
    assert {"currentPage": 1, "totalPages": 1, "pageSize": 1000} == document["pagination"]
    assert ("out", 1) == (document["summary"]["direction"], document["summary"]["totalTransactions"])
    (row,) = document["result"]
    created = datetime.fromisoformat(row.pop("created"))
    assert created.tzinfo is not None
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=1)
    assert {
        "sender": "Acme",
        "recipient": "0031600006002",
        "message": "Hello",
        "reference": "REF1",
        "customgrouping": "spring",
        "direction": "out",
        "standarderror": None,
        "errordescription": "",
        "status": 20,
        "statusdescription": "Delivered",
        "deliverytime": 0,
        "countryiso": "NL",
        "countryname": "Netherlands",
        "mccmnc": "20404",
        "operatorname": "NL - Sandbox",
    } == row


@pytest.mark.parametrize(
    ("number", "status", "error"),
    [
        ("0031600006000", 37, None),
        ("0031600006009", 37, None),
        ("0031600006001", 40, None),
        ("0031600006002", 20, None),
        ("0031600006004", 20, None),
        ("0031600007024", 21, 24),
    ],
)
def test_the_scale_is_not_that_of_status_reports(
    open_sandbox: SandboxClient,
    find: Find,
    post: Ask,
    message: Message,
    number: str,
    status: int,
    error: int | None,
) -> None:
    """37 accepted, 40 rejected, 20 delivered, 21 failed; the course is that of the reports."""
    post(open_sandbox, message(number))
    (row,) = find().document["result"]
    assert (status, error) == (row["status"], row["standarderror"])


def test_a_course_takes_its_time(
    open_sandbox: SandboxClient, find: Find, post: Ask, message: Message
) -> None:
    """Until the report would be due, a message is only accepted."""
    open_sandbox.webhooks(delay="fixed:60000")
    post(open_sandbox, message("0031600006002"))
    assert [37] == [row["status"] for row in find().document["result"]]


def test_nothing_found_is_said_in_cm_s_words(find: Find) -> None:
    """With HTTP 200."""
    reply = find(reference="NONE")
    assert (200, NOTHING, []) == (reply.status, reply.document["message"], reply.document["result"])


def test_a_message_is_visible_late(
    open_sandbox: SandboxClient, find: Find, post: Ask, message: Message
) -> None:
    """So that an empty answer proves nothing."""
    post(open_sandbox, message())
    open_sandbox.webhooks(transactions=3600)
    assert [] == _references(find(reference="REF1"))
    open_sandbox.webhooks(transactions=0)
    assert ["REF1"] == _references(find(reference="REF1"))


def test_a_message_whose_answer_was_lost_is_found(
    open_sandbox: SandboxClient, find: Find, post: Ask, message: Message
) -> None:
    """It was taken."""
    open_sandbox.faults({"kind": "not_json", "count": 1})
    post(open_sandbox, message())
    assert ["REF1"] == _references(find(reference="REF1"))


def test_pages(open_sandbox: SandboxClient, find: Find, post: Ask, message: Message) -> None:
    """The newest first; the sum is of all pages."""
    post(open_sandbox, *[message(reference=f"R{place}") for place in range(5)])
    replies = [find(pagesize=2, page=page) for page in (1, 2, 3, 4)]
    assert [["R4", "R3"], ["R2", "R1"], ["R0"], []] == [_references(reply) for reply in replies]
    assert {(3, 5)} == {
        (reply.document["pagination"]["totalPages"], reply.document["summary"]["totalTransactions"])
        for reply in replies
    }


def test_dates(open_sandbox: SandboxClient, find: Find, post: Ask, message: Message) -> None:
    """Both ends are inside; with Z, with an offset, or Dutch time."""
    post(open_sandbox, message())
    now = datetime.now(UTC)
    before, after = (f"{now + timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}Z" for hours in (-1, 1))
    assert ["REF1"] == _references(find(startdate=before, enddate=after))
    assert [] == _references(find(startdate=after))
    assert [] == _references(find(enddate=before))
    offset = f"{now + timedelta(hours=4):%Y-%m-%dT%H:%M:%S}+05:00"
    assert ["REF1"] == _references(find(startdate=offset))
    created = find().document["result"][0]["created"]
    assert ["REF1"] == _references(find(startdate=created[:19], enddate=created[:19]))


def test_channels(open_sandbox: SandboxClient, find: Find, post: Ask, message: Message) -> None:
    """A message without any goes by SMS."""
    post(open_sandbox, message(reference="S"), message(reference="R", allowedChannels=["RCS"]))
    assert ["S"] == _references(find(channel="SMS"))
    assert ["R"] == _references(find(channel="rcs"))


@pytest.mark.parametrize(
    "query", [{"startdate": "yesterday"}, {"enddate": "9"}, {"pagesize": 0}, {"pagesize": "x"}, {"page": -1}]
)
def test_wrong_parameters_are_named(find: Find, query: dict[str, Any]) -> None:
    """HTTP 400."""
    reply = find(**query)
    assert 400 == reply.status
    assert next(iter(query)) in reply.document["message"]


def test_the_token_counts(get: Ask) -> None:
    """One that is missing or unknown sees nothing."""
    with running(transactions=0, token=[TOKEN]) as sandbox:
        assert 401 == get(sandbox, PATH).status
        assert 401 == get(sandbox, PATH, **{"X-CM-PRODUCTTOKEN": TOKEN.replace("1", "2")}).status
        assert 200 == get(sandbox, PATH, **{"X-CM-PRODUCTTOKEN": TOKEN}).status
        assert 405 == get(sandbox, PATH, "POST").status


# Faults


def test_faults_of_its_own(open_sandbox: SandboxClient, find: Find, post: Ask, message: Message) -> None:
    """`at` transactions strikes searches alone; `empty` is always there."""
    open_sandbox.faults(
        {"kind": "status", "status": 500, "at": "transactions", "count": 1}, {"kind": "empty", "count": 1}
    )
    assert 200 == post(open_sandbox, message()).status
    assert [500, 200, 200] == [(replies := find()).status, find().status, find().status]
    assert "text/html; charset=utf-8" == replies.headers["content-type"]
    assert [1, 1] == [fault["struck"] for fault in open_sandbox.faults()]


def test_an_empty_answer_by_order(
    open_sandbox: SandboxClient, find: Find, post: Ask, message: Message
) -> None:
    """In the words of a true one."""
    post(open_sandbox, message())
    open_sandbox.faults({"kind": "empty", "count": 1})
    assert [NOTHING, "Ok"] == [find().document["message"] for _ in range(2)]


def test_a_slow_answer(open_sandbox: SandboxClient, find: Find) -> None:
    """By so many milliseconds."""
    open_sandbox.faults({"kind": "slow", "ms": 200, "at": "transactions"})
    began = time.monotonic()
    find()
    assert 0.2 <= time.monotonic() - began


def test_an_answer_lost_on_its_way(open_sandbox: SandboxClient, find: Find) -> None:
    """The connection is reset."""
    open_sandbox.faults({"kind": "drop_before", "at": "transactions"})
    with pytest.raises((ConnectionError, HTTPException)):
        find()


def test_faults_of_the_gateway_leave_it_alone(open_sandbox: SandboxClient, find: Find) -> None:
    """As they always meant only the gateway."""
    open_sandbox.faults({"kind": "status"})
    assert 200 == find().status


@pytest.mark.parametrize(
    "order",
    [
        {"kind": "empty", "at": "gateway"},
        {"kind": "mixed", "at": "transactions"},
        {"kind": "drop_after", "at": "transactions"},
        {"kind": "status", "at": "moon"},
    ],
)
def test_not_every_fault_strikes_everywhere(order: dict[str, Any]) -> None:
    """What is about rows has no place at the Transactions API."""
    with pytest.raises(BadFault, match="at"):
        read_fault(order)
