"""Replies and events: what CM's webhooks are sent when somebody uses a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

from sandbox.running import SandboxClient

Ask = Callable[..., Any]
Message = Callable[..., dict[str, Any]]
Receiver = Any

PHONE = "0031600000001"
MEDIA = {"mediaUri": "https://example.com/a.png", "contentType": "image/png", "title": "A"}
PLACE = {"latitude": 51.6, "longitude": 4.77, "label": "Here", "searchQuery": ""}
CONTACTS = [{"name": {"formatted_name": "A. Person"}, "phones": [{"phone": "+31600000002"}]}]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def hooked(sandbox: SandboxClient, receiver: Receiver) -> SandboxClient:
    """The sandbox, telling `receiver` of replies and events, and trying again after 30 ms."""
    sandbox.webhooks(inbound_url=receiver.url, event_url=receiver.url, delay="fixed:1", speed=10_000)
    return sandbox


@pytest.fixture
def answered(hooked: SandboxClient, post: Ask, message: Message) -> int:
    """The id of a message in the inbox that can be answered."""
    post(hooked, message(PHONE, allowedChannels=["RCS"], customGrouping="spring", richContent=None))
    (entry,) = hooked.messages()
    return int(entry["id"])


def test_a_reply_has_every_field(hooked: SandboxClient, receiver: Receiver) -> None:
    """What is unused is an empty text or object; the moment has no zone; there are three groupings."""
    hooked.inbound(from_=PHONE, to="3669", text="STOP")
    hooked.wait_until_told(kind="inbound")
    (hit,) = receiver.hits
    assert ("POST", "/hook?key=secret") == (hit.method, hit.target)
    assert hit.content_type.startswith("application/json")
    document = hit.document
    assert 4 == UUID(document.pop("reference")).version
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", document.pop("timeUtc"))
    assert {
        "messageContext": "",
        "from": {"number": PHONE, "name": ""},
        "to": {"number": "3669"},
        "message": {
            "text": "STOP",
            "media": {"mediaUri": "", "contentType": "", "title": ""},
            "custom": {},
        },
        "groupings": ["", "", ""],
        "channel": "SMS",
    } == document


def test_a_reply_to_a_message_knows_it(hooked: SandboxClient, receiver: Receiver, answered: int) -> None:
    """From its recipient to its sender, by its channel, with its reference and groupings."""
    hooked.inbound(answers=answered, text="Yes")
    hooked.wait_until_told(kind="inbound")
    document = receiver.hits[0].document
    assert ({"number": PHONE, "name": ""}, {"number": "Acme"}) == (document["from"], document["to"])
    assert ("REF1", "RCS", ["spring", "", ""]) == (
        document["messageContext"],
        document["channel"],
        document["groupings"],
    )


def test_what_is_said_goes_before_what_the_message_says(
    hooked: SandboxClient, receiver: Receiver, answered: int
) -> None:
    """A reply may come by another channel, and be of any id."""
    sent = hooked.inbound(answers=answered, text="Yes", channel="SMS", reference="ID1", context="")
    hooked.wait_until_told(kind="inbound")
    assert sent == receiver.hits[0].document
    assert ("SMS", "ID1", "") == (sent["channel"], sent["reference"], sent["messageContext"])


def test_a_reply_can_be_rich(hooked: SandboxClient, receiver: Receiver) -> None:
    """Media beside the text, places and contacts in `custom`."""
    hooked.inbound(from_=PHONE, to="Acme", media=MEDIA, location=PLACE, contacts=CONTACTS)
    hooked.wait_until_told(kind="inbound")
    expected = {"text": "", "media": MEDIA, "custom": {"location": PLACE, "contacts": CONTACTS}}
    assert expected == receiver.hits[0].document["message"]


def test_the_phone_s_number_is_written_as_told(
    hooked: SandboxClient, receiver: Receiver, answered: int
) -> None:
    """As CM's samples do, in more than one form."""
    hooked.webhooks(numbers="plus")
    assert "+31600000001" == hooked.inbound(answers=answered, text="Yes")["from"]["number"]


def test_a_click_is_an_event(hooked: SandboxClient, receiver: Receiver, answered: int) -> None:
    """With the reference of its message as context."""
    click = {"postbackdata": "yes", "label": "Yes"}
    sent = hooked.event(answers=answered, custom=click)
    hooked.wait_until_told(kind="event")
    document = receiver.hits[0].document
    assert sent == document
    assert {"type": "SuggestionClick", "custom": click} == document["event"]
    assert ("REF1", "RCS") == (document["messageContext"], document["channel"])
    assert "message" not in document


@pytest.mark.parametrize(
    ("kind", "status", "tries"), [("inbound", 204, 2), ("event", 204, 1), ("event", 500, 2)]
)
def test_what_takes_a_reply_and_an_event(
    hooked: SandboxClient, receiver: Receiver, kind: str, status: int, tries: int
) -> None:
    """A reply only 200, an event any 2xx."""
    receiver.answers = [status]
    getattr(hooked, kind)(from_=PHONE, to="Acme", **({"text": "Hi"} if kind == "inbound" else {}))
    counts = hooked.wait_until_told(kind=kind)
    assert (tries, 1) == (counts["sent"], counts["acknowledged"])


def test_a_reply_can_come_twice(hooked: SandboxClient, receiver: Receiver) -> None:
    """Word for word."""
    hooked.webhooks(duplicates=1)
    hooked.inbound(from_=PHONE, to="Acme", text="Hi")
    hooked.wait_until_told(kind="inbound")
    assert 2 == len(receiver.hits)
    assert receiver.hits[0].body == receiver.hits[1].body


@pytest.mark.parametrize(
    ("problem", "order"),
    [
        ("text", {"from": PHONE, "to": "Acme"}),
        ("from", {"to": "Acme", "text": "Hi"}),
        ("to", {"from": PHONE, "text": "Hi"}),
        ("answers", {"answers": 999_999_999, "text": "Hi"}),
        ("media", {"from": PHONE, "to": "Acme", "media": {"url": "x"}}),
        ("groupings", {"from": PHONE, "to": "Acme", "text": "Hi", "groupings": ["a"]}),
        ("colour", {"colour": "red"}),
        ("text", {"text": 5}),
    ],
)
def test_wrong_orders_are_refused_by_name(hooked: SandboxClient, problem: str, order: dict[str, Any]) -> None:
    """And nothing is told."""
    with pytest.raises(RuntimeError, match=problem):
        hooked.inbound(**order)
    assert 0 == hooked.wait_until_told(kind="inbound")["sent"]


def test_without_a_url_nobody_can_reply(
    sandbox: SandboxClient, post: Ask, message: Message, get: Ask
) -> None:
    """The order says what is missing, and the page offers nothing."""
    with pytest.raises(RuntimeError, match="inbound_url"):
        sandbox.inbound(from_=PHONE, to="Acme", text="Hi")
    post(sandbox, message())
    assert b"?reply=" not in get(sandbox, "/sandbox/inbox").body


# The page


def test_the_page_offers_a_form_beside_a_message(hooked: SandboxClient, get: Ask, answered: int) -> None:
    """Plain HTML; while it is open the page does not renew itself."""
    assert f"?reply={answered}".encode() in get(hooked, "/sandbox/inbox").body
    page = get(hooked, f"/sandbox/inbox?reply={answered}").body.decode()
    assert f'name="answers" value="{answered}"' in page
    assert "<script" not in page
    assert "http-equiv" not in page


def test_the_form_sends_a_reply(hooked: SandboxClient, receiver: Receiver, get: Ask, answered: int) -> None:
    """And leads back to the inbox."""
    body = urlencode({"answers": answered, "text": "Yes, please", "media": "https://example.com/a.png"})
    reply = get(hooked, "/sandbox/inbound", "POST", body, **FORM)
    assert (303, "/sandbox/inbox") == (reply.status, reply.headers["location"])
    hooked.wait_until_told(kind="inbound")
    sent = receiver.hits[0].document["message"]
    assert ("Yes, please", "https://example.com/a.png") == (sent["text"], sent["media"]["mediaUri"])


def test_a_form_for_no_message_is_refused(hooked: SandboxClient, get: Ask) -> None:
    """It needs the id of one."""
    assert 400 == get(hooked, "/sandbox/inbound", "POST", "text=Hi", **FORM).status
