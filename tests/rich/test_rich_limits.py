"""Each limit takes the last value within it and refuses the first beyond, naming the place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cmqueue import Content, InvalidMessage

Document = dict[str, Any]
REPLY = {"action": "Reply", "label": "Yes"}
MEDIA = {"mediaUri": "https://acme.example/a.png", "mimeType": "image/png", "mediaName": "a.png"}
ROW = {"id": "1", "title": "One"}


def content(rich: Document, **fields: Any) -> Content:
    return Content(**{"sender": "Acme", "text": "Hello", "rich_content": rich} | fields)


def refused(rich: Document, **fields: Any) -> InvalidMessage:
    with pytest.raises(InvalidMessage) as caught:
        content(rich, **fields)
    return caught.value


def item(**members: Any) -> Document:
    return {"conversation": [members]}


def suggestion(**members: Any) -> Document:
    return {"conversation": [{"text": "Hi"}], "suggestions": [{"action": "Reply", "label": "Yes"} | members]}


def interactive(kind: str, action: Document, **members: Any) -> Document:
    return item(interactive={"type": kind, "body": {"text": "Hi"}, "action": action} | members)


def listed(*sections: Document, **members: Any) -> Document:
    return interactive("list", {"button": "Open", "sections": list(sections)}, **members)


def rows(*numbers: int) -> Document:
    return listed(*({"title": "Some", "rows": [ROW] * number} for number in numbers))


def row(**members: Any) -> Document:
    return listed({"title": "Some", "rows": [ROW | members]})


def buttons(number: int = 1, **members: Any) -> Document:
    button = {"type": "reply", "reply": {"id": "1", "title": "One"} | members}
    return interactive("button", {"buttons": [button] * number})


def products(*numbers: int) -> Document:
    sections = [{"title": "Some", "product_items": [{"product_retailer_id": "1"}] * each} for each in numbers]
    header = {"type": "text", "text": "Products"}
    return interactive("product_list", {"catalog_id": "1", "sections": sections}, header=header)


def button_at(index: int) -> Document:
    component = {
        "type": "button",
        "sub_type": "quick_reply",
        "index": index,
        "parameters": [{"type": "payload", "payload": "YES"}],
    }
    return template(components=[component])


def template(**members: Any) -> Document:
    language = {"policy": "deterministic", "code": "en"}
    names = {"namespace": "ns", "element_name": "hello", "language": language}
    return item(template={"whatsapp": names | members})


def carousel(number: int, **members: Any) -> Document:
    cards = [{"text": "One"}] * (number - 1) + [{"text": "Two"} | members]
    return item(carousel={"cardWidth": "Small", "cards": cards})


def third(**members: Any) -> Document:
    return {"conversation": [{"text": "One"}, {"text": "Two"}, members]}


WHATSAPP = "conversation[0].interactive"
LIMITS: dict[str, tuple[Callable[[int], Document], int, str]] = {
    "items": (lambda n: {"conversation": [{"text": "Hi"}] * n}, 5, "conversation"),
    "suggestions": (lambda n: item(text="Hi") | {"suggestions": [REPLY] * n}, 11, "suggestions"),
    "suggestions without items": (lambda n: {"suggestions": [REPLY] * n}, 11, "suggestions"),
    "of a text": (lambda n: item(text="Hi", suggestions=[REPLY] * n), 11, "conversation[0].suggestions"),
    "of a card": (lambda n: item(header="Hi", suggestions=[REPLY] * n), 4, "conversation[0].suggestions"),
    "of media": (lambda n: item(media=MEDIA, suggestions=[REPLY] * n), 4, "conversation[0].suggestions"),
    "of a card in a carousel": (
        lambda n: carousel(2, suggestions=[REPLY] * n),
        4,
        "conversation[0].carousel.cards[1].suggestions",
    ),
    "cards": (carousel, 10, "conversation[0].carousel.cards"),
    "label": (lambda n: suggestion(label="a" * n), 25, "suggestions[0].label"),
    "label on a card": (
        lambda n: third(header="Hi", suggestions=[{"action": "Reply", "label": "a" * n}]),
        25,
        "conversation[2].suggestions[0].label",
    ),
    "label in a carousel": (
        lambda n: carousel(3, suggestions=[REPLY, {"action": "Reply", "label": "a" * n}]),
        25,
        "conversation[0].carousel.cards[2].suggestions[1].label",
    ),
    "rows": (rows, 10, f"{WHATSAPP}.action.sections[0].rows"),
    "rows in all": (lambda n: rows(4, n - 4), 10, f"{WHATSAPP}.action.sections"),
    "row id": (lambda n: row(id="a" * n), 200, f"{WHATSAPP}.action.sections[0].rows[0].id"),
    "row title": (lambda n: row(title="a" * n), 24, f"{WHATSAPP}.action.sections[0].rows[0].title"),
    "row description": (
        lambda n: row(description="a" * n),
        72,
        f"{WHATSAPP}.action.sections[0].rows[0].description",
    ),
    "section title": (
        lambda n: listed({"title": "a" * n, "rows": [ROW]}),
        24,
        f"{WHATSAPP}.action.sections[0].title",
    ),
    "body": (lambda n: listed({"rows": [ROW]}, body={"text": "a" * n}), 1024, f"{WHATSAPP}.body.text"),
    "footer": (lambda n: listed({"rows": [ROW]}, footer={"text": "a" * n}), 60, f"{WHATSAPP}.footer.text"),
    "buttons": (buttons, 3, f"{WHATSAPP}.action.buttons"),
    "button id": (lambda n: buttons(id="a" * n), 256, f"{WHATSAPP}.action.buttons[0].reply.id"),
    "button title": (lambda n: buttons(title="a" * n), 20, f"{WHATSAPP}.action.buttons[0].reply.title"),
    "products": (products, 30, f"{WHATSAPP}.action.sections[0].product_items"),
    "products in all": (lambda n: products(15, n - 15), 30, f"{WHATSAPP}.action.sections"),
    "template button": (button_at, 2, "conversation[0].template.whatsapp.components[0].index"),
    "latitude": (
        lambda n: item(location={"latitude": n, "longitude": 0}),
        90,
        "conversation[0].location.latitude",
    ),
    "longitude as text": (
        lambda n: item(location={"latitude": 0, "longitude": f"-{n}"}),
        180,
        "conversation[0].location.longitude",
    ),
}


@pytest.mark.parametrize(("document", "last", "field"), LIMITS.values(), ids=LIMITS)
def test_the_last_within_passes(document: Callable[[int], Document], last: int, field: str) -> None:
    """
    What is exactly as long as it may be is taken.
    """
    content(document(last))


@pytest.mark.parametrize(("document", "last", "field"), LIMITS.values(), ids=LIMITS)
def test_the_first_beyond_is_refused(document: Callable[[int], Document], last: int, field: str) -> None:
    """
    One more is refused, with the path of the field, its rule, and nothing of the value.
    """
    refusal = refused(document(last + 1))

    assert f"rich_content.{field}" == refusal.field
    assert str(last) in refusal.rule
    assert "aaa" not in str(refusal)


@pytest.mark.parametrize(("document", "last", "field"), LIMITS.values(), ids=LIMITS)
def test_limits_hold_also_where_unknown_fields_pass(
    document: Callable[[int], Document], last: int, field: str
) -> None:
    """
    A caller who lets pass what is unknown is still told of what is too much.
    """
    content(document(last), unknown_fields="pass")
    assert f"rich_content.{field}" == refused(document(last + 1), unknown_fields="pass").field


TOO_FEW: dict[str, tuple[Document, str]] = {
    "cards": (carousel(1), "conversation[0].carousel.cards"),
    "rows": (rows(0), f"{WHATSAPP}.action.sections[0].rows"),
    "sections": (rows(), f"{WHATSAPP}.action.sections"),
    "buttons": (buttons(0), f"{WHATSAPP}.action.buttons"),
    "products": (products(0), f"{WHATSAPP}.action.sections[0].product_items"),
    "contacts": (item(contacts=[{"name": {}}]), "conversation[0].contacts[0].name.formatted_name"),
    "options": (item(listPicker={"label": "Which?", "options": []}), "conversation[0].listPicker.options"),
    "total": (
        item(payment={"merchantName": "A", "description": "B", "orderReference": "C", "total": 0}),
        "conversation[0].payment.total",
    ),
    "radius": (
        item(location={"latitude": 0, "longitude": 0, "radius": 0}),
        "conversation[0].location.radius",
    ),
    "label": (suggestion(label=""), "suggestions[0].label"),
}


@pytest.mark.parametrize(("document", "field"), TOO_FEW.values(), ids=TOO_FEW)
def test_too_few_are_refused(document: Document, field: str) -> None:
    """
    What must have members, or a value, has some.
    """
    assert f"rich_content.{field}" == refused(document).field


APPLE = {"sender": "acme", "text": None, "channels": ["Apple Messages for Business"]}
VIBER = {"channels": ["Viber"]}
RCS = {"channels": ["RCS"]}
PDF = MEDIA | {"mimeType": "application/pdf"}
ONE_CHANNEL: dict[str, tuple[Document, dict[str, Any], str]] = {
    "Apple replies": ({"suggestions": [REPLY] * 6}, APPLE, "suggestions[5]"),
    "Apple replies of a text": (
        item(text="Hi", suggestions=[REPLY] * 6),
        APPLE,
        "conversation[0].suggestions[5]",
    ),
    "Apple text": (item(text="a" * 4097), APPLE, "conversation[0].text"),
    "Apple media name": (
        item(media=MEDIA | {"mediaName": "Photo"}),
        APPLE,
        "conversation[0].media.mediaName",
    ),
    "Viber button without text": (
        item(media=MEDIA)
        | {"suggestions": [{"action": "openurl", "label": "Go", "url": "https://a.example"}]},
        VIBER,
        "suggestions",
    ),
    "RCS card": (item(header="Hi", media=PDF), RCS, "conversation[0].media.mimeType"),
    "RCS carousel": (carousel(2, media=PDF), RCS, "conversation[0].carousel.cards[1].media.mimeType"),
}


@pytest.mark.parametrize(("document", "fields", "field"), ONE_CHANNEL.values(), ids=ONE_CHANNEL)
def test_a_channel_by_itself_has_its_own_limits(
    document: Document, fields: dict[str, Any], field: str
) -> None:
    """
    What one channel refuses is refused where no other is allowed, and passes where another is.
    """
    assert f"rich_content.{field}" == refused(document, **fields).field
    content(document, **fields | {"channels": [*fields["channels"], "WhatsApp"]})


def test_a_channel_takes_what_is_within() -> None:
    """
    The last within is taken on each channel by itself.
    """
    content({"suggestions": [REPLY] * 5}, **APPLE)
    content(item(text="a" * 4096), **APPLE)
    content(item(media=MEDIA), **APPLE)
    content(item(media=MEDIA, text="Hi", suggestions=[REPLY]), **VIBER)
    content(item(header="Hi", media=MEDIA), **RCS)
