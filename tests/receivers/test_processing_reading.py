"""What CM's webhooks bring, read: every documented form, every variant, and whatever else may come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmqueue.inlet import Form, Kind
from receivers.processing.inbound import Envelope, Inbound, Location, Media
from receivers.processing.interaction import Interaction
from receivers.processing.reading import read
from receivers.processing.status_report import StatusReport
from receivers.processing.unreadable import Unreadable, Why
from sandbox.course import Step
from sandbox.report import Report

NUMBER = "0031600000001"
REPORT = StatusReport("AAAAAAAAAAAAAAAA", NUMBER, 3, 24, "Absent")
_STATUS = {"code": "3", "errorCode": "24", "errorDescription": "Absent"}
_MSG = {"received": "2026-03-01T13:24:03", "to": NUMBER, "reference": "AAAAAAAAAAAAAAAA", "status": _STATUS}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _messages(msg: object) -> bytes:
    return _json({"messages": {"msg": msg}})


@pytest.mark.parametrize(
    "body",
    [
        _messages(_MSG),
        _messages([_MSG]),
        _messages(_MSG).upper().replace(b"ABSENT", b"Absent"),
        _messages(_MSG).replace(b'"3"', b"3").replace(b'"24"', b"24"),
        _messages(_MSG | {"operator": "", "more": {"deep": [1]}}),
        _json({"messages": [_MSG]}),
        b"\xef\xbb\xbf" + _messages(_MSG),
        b" \r\n" + _messages(_MSG) + b"\n",
    ],
    ids=["object", "array", "upper case", "numbers", "more", "without msg", "byte order mark", "white space"],
)
def test_a_report_in_json(body: bytes) -> None:
    """As documented, and as it might come."""
    assert [REPORT] == read(Kind.STATUS, Form.JSON, body)


_XML = (
    "<MSG RECEIVED='2026-03-01T13:24:03'><TO>0031600000001</TO><REFERENCE>AAAAAAAAAAAAAAAA</REFERENCE>"
    "<STATUS><CODE>3</CODE><ERRORCODE>24</ERRORCODE><ERRORDESCRIPTION>Absent</ERRORDESCRIPTION></STATUS></MSG>"
)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (f"<?xml version='1.0' encoding='utf-8'?><MESSAGES SENT='x'>{_XML}</MESSAGES>", 1),
        (f"<MESSAGES>{_XML}\n{_XML}</MESSAGES>", 2),
        (f"<MESSAGES>{_XML}</MESSAGES>".lower().replace("aaaaaaaaaaaaaaaa", "AAAAAAAAAAAAAAAA"), 1),
        (f"<MESSAGES xmlns='http://cm.example/'>{_XML}</MESSAGES>", 1),
        (_XML, 1),
        (f"\ufeff<MESSAGES>{_XML}</MESSAGES>", 1),
    ],
    ids=["documented", "several", "lower case", "a namespace", "one alone", "byte order mark"],
)
def test_a_report_in_xml(body: str, count: int) -> None:
    """One or several, in any case."""
    found = read(Kind.STATUS, Form.XML, body.encode())

    assert [REPORT._replace(description=found[0].description)] * count == found  # type: ignore[union-attr]
    assert found[0].description.casefold() == "absent"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("reference=R&to=%2B31600000001&statuscode=2&errorcode=", StatusReport("R", "+31600000001", 2)),
        ("REFERENCE=R&TO=0031600000001&StatusCode=200&errorcode=0", StatusReport("R", NUMBER, 200)),
        ("reference=R&to=0031600000001&errorcode=24", StatusReport("R", NUMBER, 3, 24)),
        ("reference=R&to=0031600000001&errorcode=", StatusReport("R", NUMBER, 2)),
        ("reference=R&to=0031600000001", Unreadable(Why.NO_STATUS)),
        ("", Unreadable(Why.NO_REPORT)),
        ("&".join(f"a{n}=1" for n in range(200)), Unreadable(Why.NOT_A_QUERY)),
    ],
    ids=["documented", "old success", "error alone", "no error alone", "neither", "empty", "too many"],
)
def test_a_report_in_the_old_form(query: str, expected: object) -> None:
    """Without a status code the error says whether the message arrived."""
    assert [expected] == read(Kind.STATUS, Form.GET, query.encode())


@pytest.mark.parametrize("form", ["json", "xml", "get"])
def test_what_the_sandbox_reports(form: str) -> None:
    """It writes CM's three forms without sharing our code."""
    report = Report("AAAAAAAAAAAAAAAA", NUMBER, Step(3, 24), 1e9, 1e9)
    body = {"json": report.as_json(), "xml": report.as_xml(), "get": report.as_query().encode()}[form]

    (found,) = read(Kind.STATUS, Form(form), body)

    assert isinstance(found, StatusReport)
    assert ("AAAAAAAAAAAAAAAA", NUMBER, 3, 24) == found[:4]


def test_what_is_missing_is_empty() -> None:
    """A report without reference, number and error is read; it will find no message."""
    assert [StatusReport("", "", 2)] == read(Kind.STATUS, Form.JSON, _messages({"status": {"code": 2}}))


def test_one_bad_report_of_several_stops_none() -> None:
    """The others are read."""
    expected = [REPORT, Unreadable(Why.NO_STATUS), Unreadable(Why.NOT_AN_OBJECT), REPORT]

    assert expected == read(Kind.STATUS, Form.JSON, _messages([_MSG, {"to": NUMBER}, 7, _MSG]))


INBOUND: dict[str, Any] = {
    "reference": "2f2d42ac-0000-4000-8000-dc720e400000",
    "messageContext": "AAAAAAAAAAAAAAAA",
    "from": {"number": "+31600000001", "name": "Jo"},
    "to": {"number": "3669"},
    "message": {"text": "Hello", "media": {"mediaUri": "", "contentType": "", "title": ""}, "custom": {}},
    "groupings": ["a", "", ""],
    "timeUtc": "2026-03-01T12:00:00",
    "channel": "SMS",
}
ENVELOPE = Envelope(
    number="+31600000001",
    to="3669",
    reference="2f2d42ac-0000-4000-8000-dc720e400000",
    context="AAAAAAAAAAAAAAAA",
    groupings=("a", "", ""),
    time="2026-03-01T12:00:00",
    channel="SMS",
)


def _inbound(**message: Any) -> Inbound:
    (found,) = read(Kind.INBOUND, Form.JSON, _json(INBOUND | {"message": message}))
    assert isinstance(found, Inbound)
    return found


def test_an_inbound_message() -> None:
    """Every documented field."""
    expected = Inbound(envelope=ENVELOPE, name="Jo", text="Hello")

    assert [expected] == read(Kind.INBOUND, Form.JSON, _json(INBOUND))


def test_an_inbound_message_in_upper_case() -> None:
    """Keys come in any case."""
    (found,) = read(Kind.INBOUND, Form.JSON, _json(INBOUND).upper())

    assert isinstance(found, Inbound)
    assert ("HELLO", "3669", "SMS") == (found.text, found.envelope.to, found.envelope.channel)


def test_a_media_link() -> None:
    """Its address, type and title."""
    uri = "https://cdn-1.messaging.cm.example/fileproxy/files/1"
    found = _inbound(text="", media={"mediaUri": uri, "contentType": "image/png", "title": "A cat"})

    assert Media(uri, "image/png", "A cat") == found.media


@pytest.mark.parametrize("longitude", ["longitude", "longtitude", "Longitude"])
@pytest.mark.parametrize("number", [4.77, "4.77"])
def test_a_location(longitude: str, number: object) -> None:
    """CM's older table misspells it; numbers may come as texts."""
    place = {"latitude": 51.6, longitude: number, "label": "Breda", "searchQuery": "breda"}

    assert Location(51.6, 4.77, "Breda", "breda") == _inbound(custom={"location": place}).location


@pytest.mark.parametrize("number", [None, True, "", "east", 1000, "nan", "inf", 10**30])
def test_no_location(number: object) -> None:
    """What is no number of degrees is no place; it stays in `custom`."""
    found = _inbound(custom={"location": {"latitude": 51.6, "longitude": number}})

    assert found.location is None
    assert set(found.custom) == {"location"}


def test_contacts() -> None:
    """As the channel wrote them."""
    contact = {"name": {"formatted_name": "Jo"}, "phones": [{"phone": "+31600000002"}]}

    assert (contact,) == _inbound(custom={"contacts": [contact]}).contacts


@pytest.mark.parametrize("absent", list(INBOUND))
def test_any_part_of_an_inbound_message_may_be_absent(absent: str) -> None:
    """What is left is read."""
    (found,) = read(Kind.INBOUND, Form.JSON, _json({k: v for k, v in INBOUND.items() if k != absent}))

    assert isinstance(found, Inbound)


def test_a_click() -> None:
    """RCS: what the suggestion carries, and what it said."""
    custom = {"postbackdata": "yes", "label": "Yes!"}
    body = INBOUND | {"event": {"type": "SuggestionClick", "custom": custom}}

    expected = Interaction(
        envelope=ENVELOPE, type="SuggestionClick", postback="yes", label="Yes!", custom=custom
    )
    assert [expected] == read(Kind.EVENT, Form.JSON, _json(body))


def test_another_event_is_kept_as_it_is() -> None:
    """Whatever its type and custom are."""
    (found,) = read(Kind.EVENT, Form.JSON, _json({"event": {"type": "New", "custom": [1, {"A": 2}]}}))

    assert Interaction(envelope=Envelope(), type="New", custom=[1, {"A": 2}]) == found


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"1e400",
        b"9" * 10_000,
        b"[" * 100_000,
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b"<a>" * 100_000,
        b"<a>" * 50_000 + b"</a>" * 50_000,
        b"\xff\xfe{}",
        b'{"message":{"text":"\\ud800"},"from":"\\udfff"}',
        b'<!DOCTYPE a [<!ENTITY b "c">]><MESSAGES><MSG><TO>&b;</TO></MSG></MESSAGES>',
        b"<?xml version='1.0' encoding='nobody-knows'?><MESSAGES/>",
        b"<?xml version='1.0' encoding='utf-16'?><MESSAGES/>",
        b"%00%ff=%zz&&&==",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_bad_bodies(kind: Kind, form: Form, body: bytes) -> None:
    """Each is refused by name."""
    assert {Unreadable} == {type(told) for told in read(kind, form, body)}


@pytest.mark.parametrize("kind", [Kind.INBOUND, Kind.EVENT])
def test_what_is_nested_too_deeply(kind: Kind) -> None:
    """It could not be written again."""
    deep: Any = {}
    for _ in range(100):
        deep = {"custom": deep}

    assert [Unreadable(Why.TOO_DEEP)] == read(kind, Form.JSON, _json({"message": deep, "event": deep}))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.just("\ud800"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
_KEYS = ["messages", "MSG", "to", "reference", "status", "code", "errorCode", "errorDescription", "from"]
_KEYS += ["number", "name", "message", "text", "media", "mediaUri", "custom", "location", "latitude", "event"]
_KEYS += ["longtitude", "contacts", "groupings", "timeUtc", "channel", "messageContext", "type", "label"]
_SHAPED = st.recursive(
    _VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner)
)


@given(st.sampled_from(Kind), st.sampled_from(Form), st.binary())
def test_any_bytes_give_a_value_or_a_named_refusal(kind: Kind, form: Form, body: bytes) -> None:
    """Never an exception, and never nothing."""
    _is_told(kind, form, body)


@given(st.sampled_from(Kind), st.sampled_from(Form), _SHAPED)
def test_any_json_gives_a_value_or_a_named_refusal(kind: Kind, form: Form, value: object) -> None:
    """Also where it looks like CM's."""
    _is_told(kind, form, json.dumps(value).encode())


@given(
    st.lists(
        st.sampled_from(["<MSG>", "</MSG>", "<TO>", "</TO>", "<STATUS/>", "<CODE>2", "</CODE>", "&#0;", "x"])
    )
)
def test_any_xml_gives_a_value_or_a_named_refusal(parts: list[str]) -> None:
    """The same for tags in any order."""
    _is_told(Kind.STATUS, Form.XML, f"<MESSAGES>{''.join(parts)}</MESSAGES>".encode())


def _is_told(kind: Kind, form: Form, body: bytes) -> None:
    found = read(kind, form, body)
    assert found
    for told in found:
        assert isinstance(told, StatusReport | Inbound | Interaction | Unreadable)
        if isinstance(told, StatusReport):
            assert told.number.encode() is not None
            assert told.reference.encode() is not None


def test_a_repr_holds_no_number_and_no_text() -> None:
    """What is read may end up in an error's words."""
    everything = [
        *read(Kind.STATUS, Form.JSON, _messages(_MSG)),
        *read(Kind.INBOUND, Form.JSON, _json(INBOUND)),
        *read(Kind.EVENT, Form.JSON, _json(INBOUND | {"event": {"type": "t", "custom": {"label": "Hello"}}})),
    ]

    assert not [word for word in ("31600000001", "Hello", "Jo") if word in repr(everything)]
