"""WhatsApp's interactive messages ("WhatsApp interactive messages"): lists, reply buttons, products."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from sandbox.rich.media import check_media
from sandbox.rich.node import Node

_BODY, _FOOTER = 1024, 60  #: characters
_MOST_ROWS, _ROW_ID, _ROW_TITLE, _ROW_DESCRIPTION = 10, 200, 24, 72
_MOST_BUTTONS, _BUTTON_ID, _BUTTON_TITLE = 3, 256, 20
_MOST_PRODUCTS = 30
_MEDIA = frozenset({"image", "video", "document"})


def check_interactive(interactive: Node, channels: AbstractSet[str]) -> None:
    """Header, body and footer around an action, which depends on the type."""
    kind = interactive.choice("type", ("list", "button", "product", "product_list"), needed=True)
    header = interactive.node("header", needed=kind == "product_list")
    if header:
        _check_header(header, kind, channels)
    if body := interactive.node("body", needed=kind != "product"):
        body.text("text", most=_BODY, needed=True)
    if footer := interactive.node("footer"):
        footer.text("text", most=_FOOTER, needed=True)
    action = interactive.node("action", needed=True)
    if action is None:
        return
    match kind:
        case "list":
            _check_list(action)
        case "button":
            _check_buttons(action)
        case "product":
            action.text("catalog_id", needed=True)
            action.text("product_retailer_id", needed=True)
        case "product_list":
            _check_products(action)


def _check_header(header: Node, kind: str, channels: AbstractSet[str]) -> None:
    shown = header.choice("type", _MEDIA | {"text"}, needed=True)
    if shown == "text":
        header.text("text", needed=True)
    if shown in _MEDIA:
        check_media(header, channels, needed=True)
        if kind != "button":
            header.refuse("is media, which only reply buttons can have above them", "type")


def _check_list(action: Node) -> None:
    action.text("button", needed=True)
    rows = 0
    for section in action.nodes("sections", least=1):
        section.text("title", most=_ROW_TITLE, needed=True)
        for row in section.nodes("rows", least=1):
            rows += 1
            row.text("id", most=_ROW_ID, needed=True)
            row.text("title", most=_ROW_TITLE, needed=True)
            row.text("description", most=_ROW_DESCRIPTION)
    if rows > _MOST_ROWS:
        action.refuse(f"has {rows} rows, at most {_MOST_ROWS} are allowed", "sections")


def _check_buttons(action: Node) -> None:
    for button in action.nodes("buttons", least=1, most=_MOST_BUTTONS):
        button.choice("type", ("reply",), needed=True)
        if reply := button.node("reply", needed=True):
            reply.text("id", most=_BUTTON_ID, needed=True)
            reply.text("title", most=_BUTTON_TITLE, needed=True)


def _check_products(action: Node) -> None:
    action.text("catalog_id", needed=True)
    products = 0
    for section in action.nodes("sections", least=1):
        section.text("title", most=_ROW_TITLE, needed=True)
        for product in section.nodes("product_items", least=1):
            products += 1
            product.text("product_retailer_id", needed=True)
    if products > _MOST_PRODUCTS:
        action.refuse(f"has {products} products, at most {_MOST_PRODUCTS} are allowed", "sections")
