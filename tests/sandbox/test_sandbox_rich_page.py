"""Rich messages in the inbox: for programs as they came, for people as bubbles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from test_sandbox_rich import CARD, ITEMS
from test_sandbox_rich_whatsapp import ITEMS as WHATSAPP_ITEMS

from sandbox.rich.shown import Bubble, Button, bubbles
from sandbox.running import SandboxClient

Ask = Callable[..., Any]
Message = Callable[..., dict[str, Any]]


def test_rich_content_is_kept_as_it_came(sandbox: SandboxClient, post: Ask, message: Message) -> None:
    """Names and values untouched."""
    document = {"CONVERSATION": [{"text": "Hello"}], "more": 1}
    post(sandbox, message(richContent=document))
    assert [document] == [entry["rich_content"] for entry in sandbox.messages()]


def test_the_page_shows_bubbles(sandbox: SandboxClient, get: Ask, post: Ask, message: Message) -> None:
    """Kind, title, text, file and buttons, escaped; the body as what stands in for them."""
    card = CARD | {"header": "<Parcel>"}
    post(sandbox, message(richContent={"conversation": [card]}, body={"content": "Your parcel"}))
    shown = get(sandbox, "/sandbox/inbox").body.decode()
    assert "&lt;Parcel&gt;" in shown
    assert "<Parcel>" not in shown
    for part in (
        ">card<",
        "Pick a slot",
        "image/jpeg p.jpg",
        ">Morning<",
        "elsewhere: <bdi>Your parcel</bdi>",
    ):
        assert part in shown


def test_a_card_is_one_bubble() -> None:
    """With what each button leads to."""
    assert [
        Bubble(
            "card",
            "Parcel",
            "Pick a slot",
            "image/jpeg p.jpg https://media.example/p.jpg",
            (Button("Morning", "Reply slot=am"),),
        )
    ] == bubbles({"conversation": [CARD]})


@pytest.mark.parametrize(
    ("kind", "title", "text", "buttons", "item"),
    [
        ("text", "", "Hello", [], ITEMS["text"]),
        ("media", "", "", [], ITEMS["media"]),
        ("location", "Shop", "52.37, 4.89", [], ITEMS["location"]),
        ("list picker", "Sizes", "", ["M"], ITEMS["list picker"]),
        ("payment", "Acme", "Shoes\nShoes 49.95", ["Pay 49.95 EUR"], ITEMS["payment"]),
        ("authentication", "", "", [], ITEMS["authentication"]),
        (
            "template",
            "order_update (en)",
            "header: image\nbody: Ann · € 50,11 · 2 Jan",
            ["quick_reply 0", "url 2"],
            WHATSAPP_ITEMS["all parameters"],
        ),
        (
            "list",
            "Delivery",
            "When?\nReply by noon\n  Slots / Today before noon",
            ["Slots"],
            WHATSAPP_ITEMS["list"],
        ),
        ("button", "", "Fine?", ["Yes"], WHATSAPP_ITEMS["buttons"]),
        ("product", "", "  product p", [], WHATSAPP_ITEMS["product"]),
        (
            "contact",
            "Ann Bee",
            "+31600000001\nann@example.com\nhttps://x.example",
            [],
            WHATSAPP_ITEMS["full contact"],
        ),
    ],
)
def test_every_kind_is_shown(
    kind: str, title: str, text: str, buttons: list[str], item: dict[str, Any]
) -> None:
    """What a person wants to see of it."""
    (bubble,) = bubbles({"conversation": [item]})
    assert (kind, title, text, buttons) == (
        bubble.kind,
        bubble.title,
        bubble.text,
        [button.label for button in bubble.buttons],
    )


def test_cards_of_a_carousel_and_suggestions_are_bubbles_of_their_own() -> None:
    """Numbered; what is below the whole message comes last."""
    suggestion = {"action": "OpenUrl", "label": "Track", "url": "https://x.example"}
    shown = bubbles({"conversation": [ITEMS["carousel"]], "suggestions": [suggestion]})
    assert ["card 1 of 2", "card 2 of 2", "suggestions"] == [bubble.kind for bubble in shown]
    assert (Button("Track", "https://x.example"),) == shown[-1].buttons


@pytest.mark.parametrize("item", [*ITEMS.values(), *WHATSAPP_ITEMS.values()])
def test_whatever_is_accepted_can_be_shown(item: dict[str, Any]) -> None:
    """At least one bubble, and each of a kind."""
    shown = bubbles({"conversation": [item]})
    assert shown
    assert all(bubble.kind for bubble in shown)
