"""WhatsApp's own kinds of rich content: templates, interactive messages, contacts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Judged = Callable[..., tuple[int, str | None]]
Document = dict[str, Any]

MEDIA = {"mediaName": "a.png", "mediaUri": "https://media.example/a.png", "mimeType": "image/png"}
TEXT = {"type": "text", "text": "Ann"}
CURRENCY = {
    "type": "currency",
    "currency": {"fallback_value": "€ 50,11", "code": "EUR", "amount_1000": 50110},
}
MOMENT = {"type": "date_time", "date_time": {"fallback_value": "2 Jan", "timestamp": 1735776000}}
QUICK = {
    "type": "button",
    "sub_type": "quick_reply",
    "index": 0,
    "parameters": [{"type": "payload", "payload": "YES"}],
}
NAMED = {
    "namespace": "ns",
    "element_name": "order_update",
    "language": {"policy": "deterministic", "code": "en"},
}


def template(*components: Document, **fields: Any) -> Document:
    return {"template": {"whatsapp": NAMED | {"components": list(components)} | fields}}


def body(*parameters: Document) -> Document:
    return {"type": "body", "parameters": list(parameters)}


def row(**fields: Any) -> Document:
    return {"id": "1", "title": "Today", "description": "before noon"} | fields


def rows(*given: Document, **fields: Any) -> Document:
    action = {"button": "Slots", "sections": [{"title": "Slots", "rows": list(given)}]}
    return {"interactive": {"type": "list", "body": {"text": "When?"}, "action": action} | fields}


def reply(**fields: Any) -> Document:
    return {"type": "reply", "reply": {"id": "1", "title": "Yes"} | fields}


def buttons(*given: Document, **fields: Any) -> Document:
    return {
        "interactive": {"type": "button", "body": {"text": "Fine?"}, "action": {"buttons": list(given)}}
        | fields
    }


def products(count: int, **fields: Any) -> Document:
    items = [{"product_retailer_id": f"p{number}"} for number in range(count)]
    action = {"catalog_id": "c", "sections": [{"title": "Shoes", "product_items": items}]}
    return {
        "interactive": {
            "type": "product_list",
            "header": {"type": "text", "text": "New"},
            "body": {"text": "See"},
            "action": action,
        }
        | fields
    }


def contact(**fields: Any) -> Document:
    return {"contacts": [{"name": {"formatted_name": "Ann Bee"}} | fields]}


ITEMS = {
    "template": template(),
    "template without components": {"template": {"whatsapp": NAMED}},
    "old policy": template(language={"policy": "fallback", "code": "en_GB"}),
    "all parameters": template(
        {"type": "header", "parameters": [{"type": "image", "media": MEDIA}]},
        body(TEXT, CURRENCY, MOMENT),
        QUICK,
        {"type": "button", "sub_type": "url", "index": 2, "parameters": [TEXT]},
    ),
    "document and video": template(
        {"type": "header", "parameters": [{"type": kind, "media": MEDIA} for kind in ("document", "video")]}
    ),
    "list": rows(row(), footer={"text": "Reply by noon"}, header={"type": "text", "text": "Delivery"}),
    "list at its limits": rows(
        row(id="a" * 200, title="a" * 24, description="a" * 72), *[row()] * 9, body={"text": "a" * 1024}
    ),
    "buttons": buttons(reply(), header={"type": "Image", "Media": MEDIA}),
    "buttons at their limits": buttons(*[reply(id="a" * 256, title="a" * 20)] * 3, footer={"text": "a" * 60}),
    "product": {
        "interactive": {"type": "product", "action": {"catalog_id": "c", "product_retailer_id": "p"}}
    },
    "products": products(30),
    "contact": contact(),
    "full contact": contact(
        addresses=[
            {"city": "Breda", "country": "Netherlands", "country_code": "nl", "zip": "4811", "type": "WORK"}
        ],
        birthday="1980-02-29",
        emails=[{"email": "ann@example.com", "type": "WORK"}],
        org={"company": "Acme", "department": "Shoes", "title": "Head"},
        phones=[{"phone": "+31600000001", "type": "iPhone"}],
        urls=[{"url": "https://x.example", "type": "WORK"}],
    ),
    "context": {"interactive": products(1)["interactive"], "context": {"message_id": "wamid.1"}},
}


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
def test_a_good_item_is_accepted(judged: Judged, item: Document) -> None:
    """At and below every limit."""
    assert (0, None) == judged({"conversation": [item]}, "WhatsApp")


@pytest.mark.parametrize(
    ("problem", "item"),
    [
        # templates
        ("template.whatsapp is missing", {"template": {}}),
        ("template.whatsapp.namespace is missing", template(namespace=None)),
        ("template.whatsapp.element_name is missing", template(element_name="")),
        ("template.whatsapp.language is missing", template(language=None)),
        ("template.whatsapp.language.code is missing", template(language={"policy": "deterministic"})),
        ("template.whatsapp.language.policy is missing", template(language={"code": "en"})),
        (
            "template.whatsapp.language.policy is none of",
            template(language={"code": "en", "policy": "maybe"}),
        ),
        ("template.whatsapp.components[0].type is none of", template({"type": "footer"})),
        ("template.whatsapp.components[0].sub_type is missing", template({"type": "button", "index": 0})),
        ("template.whatsapp.components[0].sub_type is none of", template(QUICK | {"sub_type": "call"})),
        ("template.whatsapp.components[0].index is missing", template(QUICK | {"index": None})),
        ("template.whatsapp.components[0].index is not between 0 and 2", template(QUICK | {"index": 3})),
        ("template.whatsapp.components[0].parameters[0].type is missing", template(body({}))),
        ("template.whatsapp.components[0].parameters[0].type is none of", template(body({"type": "audio"}))),
        (
            "template.whatsapp.components[0].parameters[1].text is missing",
            template(body(TEXT, {"type": "text"})),
        ),
        (
            "template.whatsapp.components[0].parameters[0].payload is missing",
            template(body({"type": "payload"})),
        ),
        (
            "template.whatsapp.components[0].parameters[0].currency is missing",
            template(body({"type": "currency"})),
        ),
        (
            "template.whatsapp.components[0].parameters[0].currency.code is not",
            template(body({"type": "currency", "currency": CURRENCY["currency"] | {"code": "€"}})),
        ),
        (
            "template.whatsapp.components[0].parameters[0].currency.amount_1000 is missing",
            template(body({"type": "currency", "currency": {"fallback_value": "1", "code": "EUR"}})),
        ),
        (
            "template.whatsapp.components[0].parameters[0].date_time.fallback_value is missing",
            template(body({"type": "date_time", "date_time": {}})),
        ),
        (
            "template.whatsapp.components[0].parameters[0].media is missing",
            template(body({"type": "image", "image": MEDIA})),
        ),
        # interactive
        ("interactive.type is none of", {"interactive": {"type": "poll"}}),
        ("interactive.body is missing", rows(row(), body=None)),
        ("interactive.body.text is longer than 1024", rows(row(), body={"text": "a" * 1025})),
        ("interactive.footer.text is longer than 60", buttons(reply(), footer={"text": "a" * 61})),
        ("interactive.action is missing", rows(row(), action=None)),
        ("interactive.header.type is media", rows(row(), header={"type": "image", "media": MEDIA})),
        ("interactive.header.type is none of", buttons(reply(), header={"type": "audio", "media": MEDIA})),
        ("interactive.header.text is missing", buttons(reply(), header={"type": "text"})),
        ("interactive.header.media is missing", buttons(reply(), header={"type": "video"})),
        (
            "interactive.action.button is missing",
            rows(row(), action={"sections": [{"title": "x", "rows": [row()]}]}),
        ),
        ("interactive.action.sections has 0 items", rows(action={"button": "x", "sections": []})),
        ("interactive.action.sections[0].rows has 0 items", rows()),
        ("interactive.action.sections has 11 rows", rows(*[row()] * 11)),
        ("interactive.action.sections[0].rows[0].id is longer than 200", rows(row(id="a" * 201))),
        ("interactive.action.sections[0].rows[0].title is longer than 24", rows(row(title="a" * 25))),
        (
            "interactive.action.sections[0].rows[0].description is longer than 72",
            rows(row(description="a" * 73)),
        ),
        (
            "interactive.action.sections[0].title is longer than 24",
            rows(action={"button": "x", "sections": [{"title": "a" * 25, "rows": [row()]}]}),
        ),
        ("interactive.action.buttons has 0 items", buttons()),
        ("interactive.action.buttons has 4 items", buttons(*[reply()] * 4)),
        ("interactive.action.buttons[0].type is none of", buttons(reply() | {"type": "url"})),
        ("interactive.action.buttons[1].reply.id is longer than 256", buttons(reply(), reply(id="a" * 257))),
        ("interactive.action.buttons[0].reply.title is longer than 20", buttons(reply(title="a" * 21))),
        (
            "interactive.action.product_retailer_id is missing",
            {"interactive": {"type": "product", "action": {"catalog_id": "c"}}},
        ),
        ("interactive.header is missing", products(1, header=None)),
        (
            "interactive.action.catalog_id is missing",
            products(1, action={"sections": products(1)["interactive"]["action"]["sections"]}),
        ),
        ("interactive.action.sections has 31 products", products(31)),
        ("interactive.action.sections[0].product_items has 0 items", products(0)),
        # contacts
        ("contacts has 0 items", {"contacts": []}),
        ("contacts[0].name is missing", {"contacts": [{}]}),
        ("contacts[0].name.formatted_name is missing", contact(name={"first_name": "Ann"})),
        ("contacts[0].birthday is not a date as", contact(birthday="29-02-1980")),
        ("contacts[0].birthday is not a date that exists", contact(birthday="1981-02-29")),
        ("contacts[0].addresses[0].type is none of", contact(addresses=[{"type": "CELL"}])),
        ("contacts[0].phones[0].type is none of", contact(phones=[{"phone": "+31600000001", "type": "FAX"}])),
        ("contacts[0].phones[0].phone is missing", contact(phones=[{"type": "CELL"}])),
        ("contacts[0].emails[0].email is missing", contact(emails=[{}])),
        ("contacts[0].urls[0].url is missing", contact(urls=[{}])),
        ("context.message_id is missing", template() | {"context": {"message_id": ""}}),
    ],
)
def test_a_bad_item_is_305_and_its_path_told(judged: Judged, problem: str, item: Document) -> None:
    """Just above each limit, and without what is needed."""
    code, details = judged({"conversation": [item]}, "WhatsApp")
    assert 305 == code
    assert (details or "").startswith(f"richContent.conversation[0].{problem}"), details


@pytest.mark.parametrize(
    ("path", "item"),
    [
        ("template.whatsapp", {"template": {"whatsapp": []}}),
        ("template.whatsapp.components[0].index", template(QUICK | {"index": "0"})),
        (
            "template.whatsapp.components[0].parameters[0].currency.amount_1000",
            template(body({"type": "currency", "currency": CURRENCY["currency"] | {"amount_1000": 1.5}})),
        ),
        ("interactive.action.buttons", buttons(action={"buttons": reply()})),
        ("contacts", {"contacts": {}}),
        ("contacts[0].org", contact(org="Acme")),
    ],
)
def test_a_wrong_type_spoils_the_request(judged: Judged, path: str, item: Document) -> None:
    """202, with the path."""
    code, details = judged({"conversation": [item]})
    assert (202, f"richContent.conversation[0].{path}") == (code, (details or "").partition(":")[0])
