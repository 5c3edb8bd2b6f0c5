"""Rich content as CM's JSON: what passes as CM lets it pass, and what a refusal says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cmqueue import Content, InvalidMessage, Message
from cmqueue.message import parse_message
from cmqueue.rich import RichContent, Text
from producers.intake.request import read_request

MEDIA = {"mediaUri": "https://acme.example/a.png", "mimeType": "image/png", "mediaName": "a.png"}
PLACE = {"latitude": 51.6, "longitude": 4.8}


def sent(rich: Any, **fields: Any) -> Any:
    content = Content(**{"sender": "Acme", "text": "Hello", "rich_content": rich} | fields)
    return json.loads(content.wire())["richContent"]


def refused(rich: Any, **fields: Any) -> InvalidMessage:
    with pytest.raises(InvalidMessage) as caught:
        sent(rich, **fields)
    return caught.value


def item(**members: Any) -> dict[str, Any]:
    return {"conversation": [members]}


def parameter(**members: Any) -> dict[str, Any]:
    whatsapp = {
        "namespace": "ns",
        "element_name": "hello",
        "language": {"code": "en"},
        "components": [{"type": "header", "parameters": [members]}],
    }
    return item(template={"whatsapp": whatsapp})


PASSING: dict[str, dict[str, Any]] = {
    "names in any case": {
        "Conversation": [{"TEXT": "Hi"}],
        "SUGGESTIONS": [{"Action": "reply", "LABEL": "Y"}],
    },
    "PHP's Dial": {"suggestions": [{"action": "Dial", "label": "Call", "dial": {"PhoneNumber": "+31*#"}}]},
    "JavaScript's ShareLocation": {
        "suggestions": [
            {"action": "ShareLocation", "label": "Here", "shareLocation": {"RequestLocation": True}}
        ]
    },
    ".NET's template": item(
        template={
            "WhatsApp": {"Namespace": "ns", "Element_Name": "x", "Language": {"Code": "en"}, "Components": []}
        }
    ),
    "JavaScript's image": parameter(type="image", image=MEDIA),
    "Python's list": item(
        interactive={
            "type": "list",
            "header": {"type": "text", "text": "Hi", "Media": None},
            "body": {"text": "Which?"},
            "footer": None,
            "action": {
                "button": "Open",
                "buttons": [],
                "sections": [{"rows": [{"id": "1", "title": "One"}]}],
            },
        }
    ),
    "null is absent": item(text="Hi", header=None, media=None, suggestions=None, context=None),
    "degrees as text": item(location={"latitude": "51.6", "longitude": "-4.8"}),
    "degrees as numbers": item(location={"latitude": 51, "longitude": 4.8}),
    "a place to search for": item(location={"searchQuery": "Acme, Breda"}),
    "media and text, as Viber's": item(media={"mediaUri": "https://acme.example/a"}, text="Hi"),
    "Viber's button": {
        "conversation": [{"media": MEDIA}, {"text": "Hi"}],
        "suggestions": [{"action": "openurl", "label": "Open", "url": "https://acme.example"}],
    },
    "an index as text": item(
        template={
            "whatsapp": {
                "namespace": "ns",
                "element_name": "x",
                "language": {"policy": "Deterministic", "code": "en"},
                "components": [{"type": "BUTTON", "sub_type": "Quick_Reply", "index": "0"}],
            }
        }
    ),
    "no conversation": {"conversation": [], "suggestions": [{"action": "Reply", "label": "Yes"}]},
    "nothing, beside a text": {"conversation": [], "suggestions": []},
}


@pytest.mark.parametrize("rich", PASSING.values(), ids=PASSING)
def test_what_cms_own_clients_send_passes_unchanged(rich: dict[str, Any]) -> None:
    """
    Each form in which CM's clients and samples write a value passes, and is sent as it was written.
    """
    assert rich == sent(rich)


REFUSED: dict[str, tuple[Any, str, str]] = {
    "no object": ([], "rich_content", "is not an object"),
    "no list": (item(text="Hi") | {"suggestions": "Yes"}, "rich_content.suggestions", "is not a list"),
    "no item": ({"conversation": ["Hi"]}, "rich_content.conversation[0]", "is not an object"),
    "unknown member": (item(text="Hi") | {"colour": 1}, "rich_content.colour", "is not a field"),
    "a member that is no name": (
        item(text="Hi", **{"+31600000001": 1}),
        "rich_content.conversation[0].(some key)",
        "is not a field",
    ),
    "unknown field": (item(text="Hi", colour="red"), "rich_content.conversation[0].colour", "is not a field"),
    "unknown field far inside": (
        item(contacts=[{"name": {"formatted_name": "Ann", "nickname": "A"}}]),
        "rich_content.conversation[0].contacts[0].name.nickname",
        "is not a field",
    ),
    "a field in the wrong place": (
        item(
            template={
                "whatsapp": {
                    "namespace": "n",
                    "element_name": "e",
                    "language": {"code": "en"},
                    "context": {"message_id": "1"},
                }
            }
        ),
        "rich_content.conversation[0].template.whatsapp.context",
        "is not a field",
    ),
    "two kinds": (
        item(location=PLACE, header="Hi"),
        "rich_content.conversation[0].header",
        "is not a field",
    ),
    "no kind": (item(poll={"question": "?"}), "rich_content.conversation[0]", "is of no known kind"),
    "an empty item": (item(), "rich_content.conversation[0]", "is of no known kind"),
    "no action": ({"suggestions": [{"label": "Yes"}]}, "rich_content.suggestions[0].action", "is missing"),
    "unknown action": (
        {"suggestions": [{"action": "Wink", "label": "Yes"}]},
        "rich_content.suggestions[0].action",
        "is none of the known values",
    ),
    "unknown parameter": (
        parameter(type="emoji", emoji=":)"),
        "rich_content.conversation[0].template.whatsapp.components[0].parameters[0].type",
        "is none of the known values",
    ),
    "a parameter that does not belong there": (
        parameter(type="payload", payload="YES"),
        "rich_content.conversation[0].template.whatsapp.components[0].parameters[0]",
        "does not go into a header",
    ),
    "media missing": (
        parameter(type="image"),
        "rich_content.conversation[0].template.whatsapp.components[0].parameters[0].media",
        "is missing",
    ),
    "another template": (
        item(template={"telegram": {"name": "hello"}}),
        "rich_content.conversation[0].template.telegram",
        "is not a field",
    ),
    "no template": (
        item(template={"whatsapp": None}),
        "rich_content.conversation[0].template.whatsapp",
        "is missing",
    ),
    "unknown interactive": (
        item(interactive={"type": "flow", "action": {}}),
        "rich_content.conversation[0].interactive.type",
        "is none of the known values",
    ),
    "a file's address": (
        item(media={"mediaUri": "file:///etc/passwd"}),
        "rich_content.conversation[0].media.mediaUri",
        "is no URL of the web",
    ),
    "no address": (item(media={"mediaUri": ""}), "rich_content.conversation[0].media.mediaUri", "is empty"),
    "an address of two": (
        {"suggestions": [{"action": "OpenUrl", "label": "Go", "url": "https://a.example b"}]},
        "rich_content.suggestions[0].url",
        "is no URL",
    ),
    "letters to dial": (
        {"suggestions": [{"action": "Dial", "label": "Go", "dial": {"phoneNumber": "0800-ACME"}}]},
        "rich_content.suggestions[0].dial.phoneNumber",
        "has a character that cannot be dialled",
    ),
    "nothing to dial": (
        {"suggestions": [{"action": "Dial", "label": "Go"}]},
        "rich_content.suggestions[0].dial",
        "is missing",
    ),
    "half a place": (
        item(location={"latitude": 51.6}),
        "rich_content.conversation[0].location.longitude",
        "is missing",
    ),
    "degrees in words": (
        item(location=PLACE | {"latitude": "north"}),
        "rich_content.conversation[0].location.latitude",
        "is not a number",
    ),
    "a day that was not": (
        item(contacts=[{"name": {"formatted_name": "Ann"}, "birthday": "1990-02-30"}]),
        "rich_content.conversation[0].contacts[0].birthday",
        "is not a date",
    ),
    "small currency": (
        item(payment={"merchantName": "A", "description": "B", "orderReference": "C", "currencyCode": "eur"}),
        "rich_content.conversation[0].payment.currencyCode",
        "has another form",
    ),
    "a time in words": (
        {
            "suggestions": [
                {
                    "action": "CreateCalendarEvent",
                    "label": "Go",
                    "calendar": {"startTime": "noon", "endTime": "2026-01-01", "title": "A"},
                }
            ]
        },
        "rich_content.suggestions[0].calendar.startTime",
        "is not ISO 8601",
    ),
    "a width of cards": (
        item(carousel={"cardWidth": "Huge", "cards": [{"text": "1"}, {"text": "2"}]}),
        "rich_content.conversation[0].carousel.cardWidth",
        "is none of the known values",
    ),
    "a card without anything": (
        item(carousel={"cards": [{"text": "1"}, {"cardOrientation": "VERTICAL"}]}),
        "rich_content.conversation[0].carousel.cards[1].text",
        "is missing",
    ),
    "media above a list": (
        item(
            interactive={
                "type": "list",
                "header": {"type": "image", "media": MEDIA},
                "body": {"text": "Hi"},
                "action": {"button": "Open", "sections": [{"rows": [{"id": "1", "title": "One"}]}]},
            }
        ),
        "rich_content.conversation[0].interactive.header.media",
        "is there",
    ),
    "a header without its text": (
        item(
            interactive={
                "type": "button",
                "header": {"type": "text"},
                "body": {"text": "Hi"},
                "action": {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "One"}}]},
            }
        ),
        "rich_content.conversation[0].interactive.header.text",
        "is missing",
    ),
    "products without a header": (
        item(
            interactive={
                "type": "product_list",
                "body": {"text": "Hi"},
                "action": {
                    "catalog_id": "1",
                    "sections": [{"product_items": [{"product_retailer_id": "1"}]}],
                },
            }
        ),
        "rich_content.conversation[0].interactive.header",
        "is missing",
    ),
    "a number for a text": (item(text=4711), "rich_content.conversation[0].text", "is not text"),
    "NUL": (item(text="a\0b"), "rich_content.conversation[0].text", "has the character NUL"),
    "nothing built": (RichContent(), "rich_content", "is empty"),
    "nothing said": ({"conversation": []}, "text", "is missing or empty"),
}


@pytest.mark.parametrize(("rich", "field", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_names_the_place(rich: Any, field: str, problem: str) -> None:
    """
    What is wrong is refused with the path of the field in the caller's document, and its problem.
    """
    refusal = refused(rich, text=None if field == "text" else "Hello")

    assert (field, problem) == (refusal.field, refusal.problem)
    assert refusal.rule


UNKNOWN: dict[str, dict[str, Any]] = {
    "a field": item(text="Hi", colour="red"),
    "a field beside the conversation": item(text="Hi") | {"theme": {"dark": True}},
    "a field inside": item(media=MEDIA | {"altText": "A parcel"}),
    "a kind": {"conversation": [{"poll": {"question": "?"}}, {"text": "Hi"}]},
    "an action": {"suggestions": [{"action": "Wink", "label": "Yes"}]},
    "an interactive message": item(interactive={"type": "cta_url", "action": {"name": "cta_url"}}),
    "a template": item(template={"telegram": {"name": "hello"}}),
    "a parameter": parameter(type="location", location=PLACE),
    "a word": item(carousel={"cardWidth": "Huge", "cards": [{"text": "1"}, {"text": "2"}]}),
    "names that are none": item(**{"$type": "TextMessage", "text": "Hi"}),
}


@pytest.mark.parametrize("rich", UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_unknown_passes_where_the_caller_says_so(rich: dict[str, Any]) -> None:
    """
    CM adds fields, kinds and words before we do: with `unknown_fields="pass"` they go out as they are given.
    """
    assert rich == sent(rich, unknown_fields="pass")
    refused(rich)


@pytest.mark.parametrize("rich", UNKNOWN.values(), ids=UNKNOWN)
def test_the_intake_passes_what_is_unknown(rich: dict[str, Any]) -> None:
    """
    What comes by the HTTP intake goes out with all that CM added before we did.
    """
    msg = {
        "from": "Acme",
        "to": [{"number": "0031600000001"}],
        "body": {"content": "Hi"},
        "richContent": rich,
    }
    (read,) = read_request({"messages": {"msg": [msg]}})

    message = Message(to="0031600000001", **read.fields)
    assert rich == json.loads(message.content.wire())["richContent"]


def test_a_known_field_is_checked_beside_an_unknown_kind() -> None:
    """
    What is unknown keeps its place in the list, so that a refusal names the right one.
    """
    rich = {
        "conversation": [
            {"poll": {"question": "?"}},
            {"text": ""},
            {"media": {"mediaUri": "ftp://a.example"}},
        ]
    }

    assert (
        "rich_content.conversation[2].media.mediaUri"
        == refused(
            {"conversation": [rich["conversation"][0], {"text": "Hi"}, rich["conversation"][2]]},
            unknown_fields="pass",
        ).field
    )


def test_how_unknown_fields_are_met_is_not_sent() -> None:
    """
    `unknown_fields` is for the check alone: the content on the wire is the same.
    """
    fields = {"sender": "Acme", "rich_content": item(text="Hi")}

    assert Content(**fields).wire() == Content(**fields, unknown_fields="pass").wire()
    with pytest.raises(InvalidMessage, match=r"^unknown_fields: is none of the known values"):
        Content(**fields, unknown_fields="ignore")


@pytest.mark.parametrize("rich", [item(text="Hi"), RichContent(conversation=[Text(text="Hi")])])
def test_a_message_takes_what_a_content_takes(rich: Any) -> None:
    """
    Rich content goes with a single message too, as a Message and as a mapping of fields.
    """
    fields = {"sender": "Acme", "to": "+31600000001", "rich_content": rich}

    for message in (Message(**fields), parse_message(fields, default_region=None)):
        assert item(text="Hi") == json.loads(message.content.wire())["richContent"]


def test_the_callers_document_is_copied() -> None:
    """
    What the caller does with the document later changes nothing.
    """
    rich = item(text="before")
    content = Content(sender="Acme", rich_content=rich)
    rich["conversation"][0]["text"] = "after"

    assert "before" == json.loads(content.wire())["richContent"]["conversation"][0]["text"]
