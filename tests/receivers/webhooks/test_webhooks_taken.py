"""What the receiver takes: each kind, each form, byte for byte, and 200 with nothing in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from harness import eventually
from receiver_process import NEXT_SECRET, REPORT, SECRET, Arrived, ReceiverProcess

from cmqueue import Outbox
from cmqueue.inlet import Brought, Form, Kind

XML = b'<?xml version="1.0"?><MESSAGES><MSG RECEIVED="2026-01-31T13:24:03"/></MESSAGES>'


@pytest.mark.parametrize(
    ("word", "kind"), [("status", Kind.STATUS), ("inbound", Kind.INBOUND), ("events", Kind.EVENT)]
)
def test_each_kind_is_taken(receiver: ReceiverProcess, arrived: Arrived, word: str, kind: Kind) -> None:
    """POST with JSON to each of the three URLs: 200, an empty body, and the bytes are in the stream."""
    answer = receiver.post(REPORT, word, Content_Type="application/json")

    assert (200, b"", "0") == (answer.status_code, answer.content, answer.headers["Content-Length"])
    assert [Brought(kind=kind, form=Form.JSON, body=REPORT)] == arrived()


@pytest.mark.parametrize(
    ("content_type", "body", "form"),
    [
        ("application/json", REPORT, Form.JSON),
        ("application/json; charset=utf-8", b"<not json>", Form.JSON),
        ("application/xml", XML, Form.XML),
        ("text/xml; charset=utf-8", b"not xml", Form.XML),
        ("text/plain", XML, Form.XML),
        ("text/plain", b"\xef\xbb\xbf\r\n " + XML, Form.XML),
        ("application/x-www-form-urlencoded", REPORT, Form.JSON),
        ("", REPORT, Form.JSON),
        ("", XML, Form.XML),
        ("", b"\x00\xff", Form.JSON),
    ],
)
def test_the_form_is_told_by_the_head_else_by_the_first_byte(
    receiver: ReceiverProcess, arrived: Arrived, content_type: str, body: bytes, form: Form
) -> None:
    """Nothing more is read of a body: whether it is what it says is judged later."""
    assert 200 == receiver.post(body, Content_Type=content_type).status_code

    assert [(form, body)] == [(one.form, one.body) for one in arrived()]


def test_the_old_get_form_is_taken(receiver: ReceiverProcess, arrived: Arrived) -> None:
    """The query is the report, as it was written, without the account and without the secret."""
    query = "reference=a%20b&account=second&to=0031600000777&statuscode=2&errorcode="

    answer = receiver.ask("GET", f"/cm/status/{SECRET}?{query}")

    assert (200, b"") == (answer.status_code, answer.content)
    expected = b"reference=a%20b&to=0031600000777&statuscode=2&errorcode="
    assert [Brought(kind=Kind.STATUS, form=Form.GET, account="second", body=expected)] == arrived()


def test_the_url_may_name_the_account(receiver: ReceiverProcess, arrived: Arrived) -> None:
    """`?account=alias`; what else stands there means nothing in a POST."""
    assert 200 == receiver.post(query="?x=1&account=second").status_code
    assert 200 == receiver.post(query="?x=1").status_code

    assert ["second", ""] == [one.account for one in arrived()]


@pytest.mark.parametrize(
    "query", ["?account=", "?account=a%20b", "?account=a&account=b", f"?account={'a' * 33}"]
)
def test_an_account_that_is_none_is_refused(receiver: ReceiverProcess, arrived: Arrived, query: str) -> None:
    """400: the URL is written wrongly at CM, and reports must not go to another account's messages."""
    assert 400 == receiver.post(query=query).status_code
    assert [] == arrived()


@pytest.mark.parametrize("secret", [SECRET, NEXT_SECRET])
def test_both_secrets_are_valid(receiver: ReceiverProcess, arrived: Arrived, secret: str) -> None:
    """While one takes the other's place CM may use either."""
    assert 200 == receiver.post(secret=secret).status_code
    assert 1 == len(arrived())


@pytest.mark.parametrize("body", [b"{", b"nonsense", b"\xff\xfe\x00", b"[]", b"<MESSAGES>", b" "])
def test_a_wrong_body_is_taken(receiver: ReceiverProcess, arrived: Arrived, body: bytes) -> None:
    """CM would send it again for a week; whoever reads it says what is wrong."""
    assert 200 == receiver.post(body).status_code
    assert [body] == [one.body for one in arrived()]


def test_a_body_may_be_as_long_as_is_said(receiver: ReceiverProcess, arrived: Arrived) -> None:
    """256 KiB where nothing else is set, also in chunks."""
    body = b"x" * (1 << 18)

    assert 200 == receiver.post(body).status_code
    url = f"{receiver.url}/cm/status/{SECRET}"
    assert 200 == requests.post(url, data=iter([body[:9], body[9:]]), timeout=30).status_code

    assert [body, body] == [one.body for one in arrived()]


def test_many_at_once_are_all_there(receiver: ReceiverProcess, arrived: Arrived) -> None:
    """What comes together goes in together; each is there once."""
    bodies = [b'{"n": %d}' % number for number in range(300)]
    url = f"{receiver.url}/cm/status/{SECRET}"

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda body: requests.post(url, data=body, timeout=30), bodies))

    assert {200} == {answer.status_code for answer in answers}
    assert sorted(bodies) == sorted(one.body for one in arrived())


def test_the_errand_is_woken(receiver: ReceiverProcess, outbox: Outbox) -> None:
    """A wake-up for whoever reads it, one for a burst."""
    for _ in range(5):
        assert 200 == receiver.post().status_code

    queue = "cmqueue:errands"
    eventually(lambda: outbox.scripts.client.llen(queue))
    assert 1 == outbox.scripts.client.llen(queue)


def test_it_says_that_it_lives_and_is_ready(receiver: ReceiverProcess) -> None:
    """/health and /ready, for orchestrators, without a secret."""
    assert [(200, {"alive": True}), (200, {"ready": True})] == [
        (answer.status_code, answer.json())
        for answer in (receiver.ask("GET", "/health"), receiver.ask("GET", "/ready"))
    ]
