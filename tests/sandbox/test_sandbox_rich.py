"""Rich content in general: items, suggestions, cards, and the limits of single channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Judged = Callable[..., tuple[int, str | None]]
Document = dict[str, Any]

MEDIA = {"mediaName": "p.jpg", "mediaUri": "https://media.example/p.jpg", "mimeType": "image/jpeg"}
REPLY = {"action": "Reply", "label": "Morning", "postbackdata": "slot=am"}
EVENT = {
    "title": "Delivery",
    "description": "At your door",
    "startTime": "2026-03-01T10:00:00+01:00",
    "endTime": "2026-03-01T12:00:00+01:00",
}
PLACE = {"latitude": "52.37", "longitude": "4.89", "label": "Shop"}
CARD = {"header": "Parcel", "text": "Pick a slot", "media": MEDIA, "suggestions": [REPLY]}
PAYMENT = {
    "merchantName": "Acme",
    "description": "Shoes",
    "orderReference": "A-17",
    "lineItems": [{"label": "Shoes", "type": "final", "amount": 49.95}],
    "total": 49.95,
    "recipientEmail": "shop@example.com",
    "currencyCode": "EUR",
    "recipientCountryCode": "NL",
    "languageCountryCode": "nl",
    "billingAddressRequired": True,
    "shippingContactRequired": False,
}


def cards(count: int) -> Document:
    return {"carousel": {"cardWidth": "Medium", "cards": [CARD] * count}}


def suggested(suggestion: Document) -> Document:
    return {"text": "Hello", "suggestions": [suggestion]}


ITEMS = {
    "text": {"text": "Hello"},
    "text with context": {"text": "Hello", "context": {"message_id": "wamid.1"}},
    "text with tag": {"text": "Hello", "tag": "HUMAN_AGENT"},
    "media": {"media": MEDIA},
    "card": CARD | {"cardOrientation": "HORIZONTAL", "thumbnailAlignment": "LEFT"},
    "card of a header": {"header": "Parcel"},
    "card of media": {"media": MEDIA | {"mediaHeight": "tall"}, "suggestions": [REPLY]},
    "carousel": cards(2),
    "carousel of ten": cards(10),
    "location": {"location": PLACE | {"radius": 10, "searchQuery": "Acme"}},
    "location in numbers": {"location": {"latitude": -90, "longitude": 180.0}},
    "list picker": {
        "listPicker": {"label": "Sizes", "media": MEDIA, "options": [{"label": "M", "media": MEDIA}]}
    },
    "payment": {"payment": PAYMENT},
    "authentication": {"oauth2": {"scope": ["name"]}},
    "reply": suggested(REPLY | {"description": "before noon", "media": MEDIA}),
    "open URL": suggested({"action": "OpenUrl", "label": "Track", "url": "https://x.example/t"}),
    "dial": suggested({"action": "Dial", "label": "Call", "dial": {"phoneNumber": "+31600000001"}}),
    "view location": suggested({"action": "viewLocation", "label": "Where", "viewLocation": PLACE}),
    "search location": suggested(
        {"action": "viewLocation", "label": "Where", "viewLocation": {"label": "Shop", "searchQuery": "Acme"}}
    ),
    "calendar": suggested({"action": "CreateCalendarEvent", "label": "Keep", "calendar": EVENT}),
    "share location": suggested(
        {"action": "ShareLocation", "label": "Here", "shareLocation": {"requestLocation": True}}
    ),
    "calendar picker": suggested({"label": "When", "calendarPicker": {"options": [EVENT]}}),
    "unknown beside known": {"$type": "TextMessage", "text": "Hello", "nothing": {"label": 5}},
    "keys and values in any case": {
        "TEXT": "Hello",
        "Suggestions": [{"ACTION": "OPENURL", "Label": "x", "Url": "a://b"}],
    },
    "null is absent": {"text": "Hello", "media": None, "carousel": None, "suggestions": None},
}


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
def test_a_good_item_is_accepted(judged: Judged, item: Document) -> None:
    """One of each kind, on whatever channel the account has."""
    assert (0, None) == judged({"conversation": [item]})


@pytest.mark.parametrize(
    ("path", "items"),
    [
        ("richContent.conversation has 6 items", [{"text": "x"}] * 6),
        ("richContent.conversation[0] is of no known kind", [{"poem": "x"}]),
        ("richContent.conversation[0] is carousel and text or media", [cards(2) | {"text": "x"}]),
        (
            "richContent.conversation[1] is location and payment",
            [{"text": "x"}, {"location": PLACE, "payment": PAYMENT}],
        ),
        ("richContent.conversation[0].text is missing or empty", [{"text": ""}]),
        ("richContent.conversation[0].context.message_id is missing", [{"text": "x", "context": {}}]),
        (
            "richContent.conversation[0].media.mediaUri is not an http",
            [{"media": MEDIA | {"mediaUri": "p.jpg"}}],
        ),
        ("richContent.conversation[0].media.mediaUri is missing", [{"media": MEDIA | {"mediaUri": ""}}]),
        ("richContent.conversation[0].media.mediaName is missing", [{"media": MEDIA | {"mediaName": None}}]),
        (
            "richContent.conversation[0].media.mimeType is not a MIME",
            [{"media": MEDIA | {"mimeType": "jpeg"}}],
        ),
        (
            "richContent.conversation[0].suggestions has 12 items",
            [{"text": "x", "suggestions": [REPLY] * 12}],
        ),
        ("richContent.conversation[0].suggestions has 5 items", [CARD | {"suggestions": [REPLY] * 5}]),
        ("richContent.conversation[0] has neither header, text nor media", [{"header": ""}]),
        (
            "richContent.conversation[0].media.mediaHeight is none of",
            [CARD | {"media": MEDIA | {"mediaHeight": "7"}}],
        ),
        ("richContent.conversation[0].cardOrientation is none of", [CARD | {"cardOrientation": "SLANTED"}]),
        ("richContent.conversation[0].thumbnailAlignment is none of", [CARD | {"thumbnailAlignment": "TOP"}]),
        ("richContent.conversation[0].carousel.cards has 1 items", [cards(1)]),
        ("richContent.conversation[0].carousel.cards has 11 items", [cards(11)]),
        (
            "richContent.conversation[0].carousel.cards[1].suggestions has 5",
            [{"carousel": {"cardWidth": "small", "cards": [CARD, CARD | {"suggestions": [REPLY] * 5}]}}],
        ),
        ("richContent.conversation[0].carousel.cardWidth is missing", [{"carousel": {"cards": [CARD] * 2}}]),
        (
            "richContent.conversation[0].carousel.cardWidth is none",
            [{"carousel": {"cardWidth": "xl", "cards": [CARD] * 2}}],
        ),
        ("richContent.conversation[0].location.latitude is not a number", [{"location": {"longitude": "4"}}]),
        (
            "richContent.conversation[0].location.latitude is not a number",
            [{"location": PLACE | {"latitude": 91}}],
        ),
        (
            "richContent.conversation[0].location.longitude is not",
            [{"location": PLACE | {"longitude": "east"}}],
        ),
        ("richContent.conversation[0].location.radius is below 1", [{"location": PLACE | {"radius": 0}}]),
        (
            "richContent.conversation[0].listPicker.label is missing",
            [{"listPicker": {"options": [{"label": "M"}]}}],
        ),
        ("richContent.conversation[0].listPicker.options has 0", [{"listPicker": {"label": "Sizes"}}]),
        (
            "richContent.conversation[0].listPicker.options[0].label is missing",
            [{"listPicker": {"label": "Sizes", "options": [{}]}}],
        ),
        ("richContent.conversation[0].oauth2 is empty", [{"oauth2": {}}]),
    ],
)
def test_a_bad_item_is_305_and_its_path_told(judged: Judged, path: str, items: list[Document]) -> None:
    """The first thing wrong."""
    code, details = judged({"conversation": items})
    assert 305 == code
    assert (details or "").startswith(path), details


@pytest.mark.parametrize(
    ("problem", "change"),
    [
        ("merchantName is missing", {"merchantName": ""}),
        ("description is missing", {"description": None}),
        ("orderReference is missing", {"orderReference": None}),
        ("lineItems[0].label is missing", {"lineItems": [{"amount": 1}]}),
        ("lineItems[0].amount is missing", {"lineItems": [{"label": "x"}]}),
        ("lineItems[0].type is none of", {"lineItems": [{"label": "x", "amount": 1, "type": "guess"}]}),
        ("total is not above 0", {"total": 0}),
        ("currencyCode is not three capitals", {"currencyCode": "eur"}),
        ("recipientCountryCode is not two capitals", {"recipientCountryCode": "nl"}),
        ("languageCountryCode is not in small letters", {"languageCountryCode": "NL"}),
    ],
)
def test_a_bad_payment_is_305(judged: Judged, problem: str, change: Document) -> None:
    """What Apple Pay asks for."""
    code, details = judged({"conversation": [{"payment": PAYMENT | change}]})
    assert 305 == code
    assert (details or "").startswith(f"richContent.conversation[0].payment.{problem}")


@pytest.mark.parametrize(
    ("problem", "suggestion"),
    [
        ("label is missing or empty", REPLY | {"label": ""}),
        ("action is missing or empty", {"label": "x"}),
        ("action is none of", {"label": "x", "action": "Dance"}),
        ("url is missing", {"label": "x", "action": "OpenUrl"}),
        ("url is not a URL", {"label": "x", "action": "OpenUrl", "url": "x.example"}),
        ("dial is missing", {"label": "x", "action": "Dial"}),
        (
            "dial.phoneNumber is not made of",
            {"label": "x", "action": "Dial", "dial": {"phoneNumber": "31-6"}},
        ),
        ("viewLocation is missing", {"label": "x", "action": "viewLocation"}),
        (
            "viewLocation.latitude is not",
            {"label": "x", "action": "viewLocation", "viewLocation": {"label": "Shop"}},
        ),
        (
            "viewLocation.label is missing",
            {"label": "x", "action": "viewLocation", "viewLocation": PLACE | {"label": ""}},
        ),
        ("calendar is missing", {"label": "x", "action": "CreateCalendarEvent"}),
        *(
            (
                f"calendar.{name} is missing",
                {"label": "x", "action": "CreateCalendarEvent", "calendar": EVENT | {name: ""}},
            )
            for name in EVENT
        ),
        (
            "calendar.endTime is not a time",
            {"label": "x", "action": "CreateCalendarEvent", "calendar": EVENT | {"endTime": "noon"}},
        ),
        ("shareLocation is missing", {"label": "x", "action": "ShareLocation"}),
        (
            "shareLocation.requestLocation is not true",
            {"label": "x", "action": "ShareLocation", "shareLocation": {}},
        ),
        ("calendarPicker.options has 0", {"label": "x", "calendarPicker": {}}),
        ("media.mediaUri is missing", REPLY | {"media": {"mediaName": "a", "mimeType": "image/png"}}),
    ],
)
def test_a_bad_suggestion_is_305(judged: Judged, problem: str, suggestion: Document) -> None:
    """Below an item, and below the whole message."""
    code, details = judged({"conversation": [suggested(suggestion)]})
    assert 305 == code
    assert (details or "").startswith(f"richContent.conversation[0].suggestions[0].{problem}"), details
    code, details = judged({"conversation": [{"text": "x"}], "suggestions": [REPLY, suggestion]})
    assert 305 == code
    assert (details or "").startswith(f"richContent.suggestions[1].{problem}"), details


def test_eleven_suggestions_pass_and_one_more_does_not(judged: Judged) -> None:
    """Of a whole message."""
    assert (0, None) == judged({"conversation": [{"text": "x"}], "suggestions": [REPLY] * 11})
    code, details = judged({"conversation": [{"text": "x"}], "suggestions": [REPLY] * 12})
    assert (305, "richContent.suggestions has 12 items, at most 11 are allowed") == (code, details)


@pytest.mark.parametrize(
    ("path", "channel", "document"),
    [
        ("richContent.suggestions[0].label", "RCS", {"suggestions": [REPLY | {"label": "a" * 26}]}),
        (
            "richContent.conversation[0].media.mimeType",
            "RCS",
            {"conversation": [CARD | {"media": MEDIA | {"mimeType": "image/webp"}}]},
        ),
        (
            "richContent.conversation[0].text",
            "Apple Messages for Business",
            {"conversation": [{"text": "a" * 4097}]},
        ),
        ("richContent.suggestions", "iMessage", {"suggestions": [REPLY] * 6}),
        (
            "richContent.conversation[0].media.mediaName",
            "Apple Business Chat",
            {"conversation": [{"media": MEDIA | {"mediaName": "p"}}]},
        ),
        (
            "richContent.conversation[0].media.mediaName",
            "Apple Business Chat",
            {"conversation": [{"media": MEDIA | {"mediaName": "p.png"}}]},
        ),
        ("richContent.conversation", "Viber", {"conversation": [{"media": MEDIA}], "suggestions": [REPLY]}),
    ],
)
def test_a_limit_of_one_channel_holds_there_alone(
    judged: Judged, path: str, channel: str, document: Document
) -> None:
    """Not on another, nor where that may take it instead."""
    code, details = judged(document, channel)
    assert 305 == code
    assert (details or "").startswith(f"{path} "), details
    assert (0, None) == judged(document, "Telegram Messenger")
    assert (0, None) == judged(document, "Telegram Messenger", channel)


@pytest.mark.parametrize(
    ("channel", "document"),
    [
        ("RCS", {"suggestions": [REPLY | {"label": "a" * 25}]}),
        ("RCS", {"conversation": [CARD]}),
        ("Apple Messages for Business", {"conversation": [{"text": "a" * 4096}, {"media": MEDIA}]}),
        ("Apple Messages for Business", {"suggestions": [REPLY] * 5}),
        ("Viber", {"conversation": [{"text": "x"}, {"media": MEDIA}], "suggestions": [REPLY]}),
        ("Viber", {"conversation": [{"media": MEDIA}]}),
    ],
)
def test_what_just_fits_a_channel_is_accepted(judged: Judged, channel: str, document: Document) -> None:
    """The borders."""
    assert (0, None) == judged(document, channel)


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("richcontent", []),
        ("richContent.conversation", {"conversation": {}}),
        ("richContent.conversation[0]", {"conversation": ["x"]}),
        ("richContent.suggestions", {"suggestions": "Reply"}),
        ("richContent.conversation[0].text", {"conversation": [{"text": 5}]}),
        ("richContent.conversation[0].media", {"conversation": [{"media": "p.jpg"}]}),
        (
            "richContent.conversation[0].location.radius",
            {"conversation": [{"location": PLACE | {"radius": "5"}}]},
        ),
        (
            "richContent.conversation[0].location.latitude",
            {"conversation": [{"location": PLACE | {"latitude": True}}]},
        ),
        (
            "richContent.conversation[0].payment.total",
            {"conversation": [{"payment": PAYMENT | {"total": "5"}}]},
        ),
        (
            "richContent.conversation[0].payment.billingAddressRequired",
            {"conversation": [{"payment": PAYMENT | {"billingAddressRequired": "yes"}}]},
        ),
        ("richContent.suggestions[0].label", {"conversation": [{"text": ""}], "suggestions": [{"label": 5}]}),
    ],
)
def test_a_wrong_type_spoils_the_request(judged: Judged, path: str, document: Any) -> None:
    """202, with the path, also where a wrong value stands before it or another field is wrong too."""
    code, details = judged(document)
    assert (202, path) == (code, (details or "").partition(":")[0])
    code, _ = judged(document, **{"from": "much too long for SMS"})
    assert 202 == code


def test_the_body_is_asked_for_first(judged: Judged) -> None:
    """304 where both are wrong."""
    assert 304 == judged({"conversation": [{"text": ""}]}, body={"content": ""}, allowedChannels=["SMS"])[0]


@pytest.mark.parametrize("channels", [["SMS"], ["RCS", "SMS"], ["Voice"], ["Push"], ["MobilePush"]])
def test_channels_that_show_the_body_need_one(judged: Judged, channels: list[str]) -> None:
    """Rich content stands in for it nowhere else."""
    document = {"conversation": [{"text": "x"}]}
    assert 304 == judged(document, body={"content": ""}, allowedChannels=channels)[0]
    assert 0 == judged(document, body={"content": ""}, allowedChannels=["RCS"])[0]


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("customGrouping2 is invalid", {"customGrouping2": "a" * 101}),
        ("dcs is invalid", {"body": {"type": "text", "content": "x"}, "dcs": 3}),
        ("appKey is invalid", {"appKey": "no-guid"}),
        ("maximumNumberOfMessageParts is invalid", {"maximumNumberOfMessageParts": 256}),
    ],
)
def test_other_fields_are_named(judged: Judged, field: str, fields: Document) -> None:
    """As CM spells them."""
    assert (305, field) == judged(None, **fields)
