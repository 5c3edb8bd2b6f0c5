"""Status reports: what is told of a message, in which form, how often."""

from __future__ import annotations

import http.client
import re
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import orjson
import pytest

from sandbox.course import read_course
from sandbox.running import SandboxClient, running
from sandbox.standard_error import STANDARD_ERRORS
from sandbox.webhooks import BadWebhooks, read_webhooks

Ask = Callable[..., Any]
Message = Callable[..., dict[str, Any]]
Receiver = Any

DELIVERED = "0031600006002"
NUMBERS = [f"00316000001{place:02}" for place in range(40)]


@pytest.fixture
def hooked(sandbox: SandboxClient, receiver: Receiver) -> SandboxClient:
    """The sandbox, telling `receiver` at once and trying again after 30 ms."""
    sandbox.webhooks(status_url=receiver.url, delay="fixed:1", speed=10_000)
    return sandbox


@pytest.fixture
def single(hooked: SandboxClient) -> SandboxClient:
    """The same, telling only how a message ended."""
    hooked.webhooks(accepted=0)
    return hooked


# Its form


def test_nothing_is_told_unless_asked_for(sandbox: SandboxClient, post: Ask, message: Message) -> None:
    """Without a URL there are no reports, and none are held."""
    post(sandbox, message())
    assert set(sandbox.courier().values()) == {0}


def test_a_report_has_the_shape_of_cm_s_template(
    single: SandboxClient, receiver: Receiver, post: Ask, message: Message
) -> None:
    """`msg` is an object, every value a text; the moment has no zone."""
    post(single, message("0031600007024"))
    single.wait_until_told()
    hit = receiver.hits[-1]
    assert ("POST", "/hook?key=secret") == (hit.method, hit.target)
    assert hit.content_type.startswith("application/json")
    report = hit.document["messages"]["msg"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", report.pop("received"))
    assert {
        "to": "0031600007024",
        "reference": "REF1",
        "status": {"code": "3", "errorCode": "24", "errorDescription": STANDARD_ERRORS[24]},
        "operator": "20404",
    } == report


def test_a_success_has_an_empty_error(
    single: SandboxClient, receiver: Receiver, post: Ask, message: Message
) -> None:
    """And a message without a reference an empty one."""
    post(single, message(DELIVERED, reference=None))
    single.wait_until_told()
    assert {"code": "2", "errorCode": "", "errorDescription": "Delivered"} == receiver.reports[-1]["status"]
    assert "" == receiver.reports[-1]["reference"]


def test_the_xml_form(single: SandboxClient, receiver: Receiver, post: Ask, message: Message) -> None:
    """Elements in capitals, the moment an attribute."""
    single.webhooks(format="xml")
    post(single, message("0031600007023"))
    single.wait_until_told()
    assert receiver.hits[-1].content_type.startswith("text/xml")
    item = ET.fromstring(receiver.hits[-1].body).find("MSG")
    assert item is not None
    assert "T" in item.attrib["RECEIVED"]
    expected = {"TO": "0031600007023", "REFERENCE": "REF1", "STATUS/CODE": "3", "STATUS/ERRORCODE": "23"}
    assert expected == {path: item.findtext(path) for path in expected}


def test_the_old_get_form(single: SandboxClient, receiver: Receiver, post: Ask, message: Message) -> None:
    """Parameters behind those that the URL has of its own."""
    single.webhooks(format="get")
    post(single, message("0031600007023"))
    single.wait_until_told()
    hit = receiver.hits[-1]
    query = {name: value for name, (value,) in parse_qs(urlsplit(hit.target).query).items()}
    assert ("GET", b"", "secret") == (hit.method, hit.body, query["key"])
    expected = {"reference": "REF1", "to": "0031600007023", "statuscode": "3", "errorcode": "23"}
    assert expected == {name: query[name] for name in expected}
    assert {"sent", "received", "errordescription"} < set(query)


@pytest.mark.parametrize(
    ("form", "written"), [("00", "0031600006001"), ("plus", "+31600006001"), ("bare", "31600006001")]
)
def test_the_number_is_written_as_told(
    single: SandboxClient, receiver: Receiver, post: Ask, message: Message, form: str, written: str
) -> None:
    """In one form, however it was sent."""
    single.webhooks(numbers=form)
    post(single, message("+31600006001"))
    single.wait_until_told()
    assert [written] == [report["to"] for report in receiver.reports]


# Its course


@pytest.mark.parametrize(
    ("number", "codes"),
    [
        ("0031600006000", []),
        ("0031600006001", ["1"]),
        ("0031600006002", ["0", "2"]),
        ("0031600006003", ["0", "3"]),
        ("0031600006004", ["0", "2", "4"]),
        ("0031600006009", ["0"]),
        ("0031600007047", ["0", "3"]),
        ("0031600007007", ["0", "3", "2"]),
    ],
)
def test_a_magic_number_takes_its_course(
    hooked: SandboxClient, receiver: Receiver, post: Ask, message: Message, number: str, codes: list[str]
) -> None:
    """One report for each step."""
    post(hooked, message(number))
    hooked.wait_until_told()
    assert sorted(codes) == sorted(receiver.codes)


def test_only_what_was_accepted_is_told(
    hooked: SandboxClient, receiver: Receiver, post: Ask, message: Message
) -> None:
    """A rejected row is the last word on its message."""
    post(hooked, message(DELIVERED, "0031600009402"))
    hooked.wait_until_told()
    assert {DELIVERED} == {report["to"] for report in receiver.reports}


def test_the_mix_decides_for_other_numbers(
    hooked: SandboxClient, receiver: Receiver, post: Ask, message: Message
) -> None:
    """By weight; the operator's word before it can be left out."""
    hooked.webhooks(mix={"rejected:28": 1, "failed": 1}, accepted=0)
    post(hooked, message(*NUMBERS))
    hooked.wait_until_told()
    assert {("1", "28"), ("3", "5")} == {
        (report["status"]["code"], report["status"]["errorCode"]) for report in receiver.reports
    }
    assert len(NUMBERS) == len(receiver.reports)


def test_the_inbox_tells_the_course(hooked: SandboxClient, post: Ask, message: Message) -> None:
    """From the moment it is taken, so that a test knows what is to come."""
    post(hooked, message("0031600006004"))
    (entry,) = hooked.messages()
    assert [0, 2, 4] == entry["course"]


def test_one_seed_one_course(receiver: Receiver, post: Ask, message: Message) -> None:
    """Two sandboxes of one seed tell the same."""
    seen = []
    for _ in range(2):
        receiver.hits.clear()
        with running(seed=7, status_url=receiver.url, webhooks={"delay": "fixed:1"}) as sandbox:
            post(sandbox, message(*NUMBERS))
            sandbox.wait_until_told()
        seen.append(sorted((report["to"], report["status"]["code"]) for report in receiver.reports))
    assert seen[0] == seen[1]


def test_counting_only_tells_too(receiver: Receiver, post: Ask, message: Message) -> None:
    """The texts are not needed for it."""
    with running(count_only=True, status_url=receiver.url, webhooks={"delay": "fixed:1"}) as sandbox:
        post(sandbox, message(DELIVERED))
        assert 2 == sandbox.wait_until_told()["acknowledged"]


# Its moment


def test_a_message_whose_answer_was_lost_is_told_too(
    hooked: SandboxClient, receiver: Receiver, post: Ask, message: Message
) -> None:
    """It was taken: that is the proof that its sender lacks."""
    hooked.faults({"kind": "drop_after", "count": 1})
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        post(hooked, message(DELIVERED))
    hooked.wait_until_told()
    assert Counter(["0", "2"]) == Counter(receiver.codes)


def test_a_message_that_was_not_taken_is_not_told(hooked: SandboxClient, post: Ask, message: Message) -> None:
    """A 503 before anything was taken."""
    hooked.faults({"kind": "status", "count": 1})
    post(hooked, message(DELIVERED))
    assert 0 == hooked.wait_until_told()["sent"]


def test_early_reports_come_before_the_answer(
    hooked: SandboxClient, receiver: Receiver, post: Ask, message: Message
) -> None:
    """When the POST returns, all of them have been received."""
    hooked.webhooks(early=1, delay="fixed:60000")
    assert 200 == post(hooked, message(DELIVERED)).status
    assert Counter(["0", "2"]) == Counter(receiver.codes)


def test_reordered_reports(hooked: SandboxClient, receiver: Receiver, post: Ask, message: Message) -> None:
    """The last first."""
    hooked.webhooks(reordered=1, delay="fixed:100")
    post(hooked, message("0031600006004"))
    hooked.wait_until_told()
    assert ["4", "2", "0"] == receiver.codes


def test_duplicated_reports(hooked: SandboxClient, receiver: Receiver, post: Ask, message: Message) -> None:
    """Each is told twice, word for word."""
    hooked.webhooks(duplicates=1)
    post(hooked, message(DELIVERED))
    hooked.wait_until_told()
    assert [2, 2] == list(Counter(hit.body for hit in receiver.hits).values())


# Until it is taken


@pytest.mark.parametrize("status", [201, 204, 301, 404, 500, 503])
def test_only_200_takes_a_report(
    hooked: SandboxClient, receiver: Receiver, post: Ask, message: Message, status: int
) -> None:
    """Anything else has it told again, the same."""
    receiver.answers = [status, status]
    post(hooked, message("0031600006001"))
    expected = {"waiting": 0, "sent": 3, "acknowledged": 1, "retried": 2, "given_up": 0, "overflowed": 0}
    assert expected == hooked.wait_until_told()
    assert 1 == len({hit.body for hit in receiver.hits})


def test_no_answer_is_no_success(
    hooked: SandboxClient, receiver: Receiver, post: Ask, message: Message
) -> None:
    """Nor is nobody there; both are tried again."""
    receiver.silent = True
    post(hooked, message("0031600006001"))
    end = time.monotonic() + 10
    while not hooked.courier()["retried"] and time.monotonic() < end:
        time.sleep(0.01)
    receiver.silent = False
    assert 1 == hooked.wait_until_told()["acknowledged"]


def test_a_report_is_given_up_after_seven_days(sandbox: SandboxClient, post: Ask, message: Message) -> None:
    """2016 intervals of five minutes, here in 0.6 s; then the courier rests."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
    sandbox.webhooks(status_url=url, delay="fixed:0", speed=1_000_000)
    post(sandbox, message("0031600006001"))
    counts = sandbox.wait_until_told()
    assert (1, 0) == (counts["given_up"], counts["acknowledged"])
    assert counts["sent"] == counts["retried"] + 1 > 1


def test_what_is_too_much_to_hold_is_counted(hooked: SandboxClient, post: Ask, message: Message) -> None:
    """Never silent."""
    hooked.webhooks(hold=1, delay="fixed:50")
    post(hooked, message(DELIVERED))
    assert (1, 1) == ((counts := hooked.wait_until_told())["overflowed"], counts["acknowledged"])


def test_a_reset_forgets_what_was_to_be_told(hooked: SandboxClient, post: Ask, message: Message) -> None:
    """And where."""
    hooked.webhooks(delay="fixed:60000")
    post(hooked, message(DELIVERED))
    assert 2 == hooked.courier()["waiting"]
    hooked.reset()
    assert 0 == hooked.courier()["waiting"]
    assert None is hooked.webhooks()["status_url"]


# The settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status_url", "ftp://x"),
        ("status_url", "http://"),
        ("status_url", 5),
        ("format", "csv"),
        ("mix", {}),
        ("mix", {"lost": 1}),
        ("mix", {"failed:32": 1}),
        ("mix", {"delivered": 0}),
        ("delay", "long"),
        ("early", 2),
        ("speed", 0),
        ("hold", 0),
        ("colour", "red"),
    ],
)
def test_wrong_settings_are_refused_by_name(name: str, value: Any) -> None:
    """And nothing is changed."""
    with pytest.raises(BadWebhooks, match=name):
        read_webhooks(orjson.dumps({name: value}))


def test_courses_end_as_they_are_called() -> None:
    """Every standard error can be failed with, and be rejected with."""
    for error in STANDARD_ERRORS:
        assert (3, error) == read_course(f"failed:{error}")[1]
        assert (1, error) == read_course(f"rejected:{error}")[0]
