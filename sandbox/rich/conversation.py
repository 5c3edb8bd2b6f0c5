"""`richContent`: items that are shown one after the other, and suggestions below them."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from sandbox.channel import APPLE
from sandbox.rich.apple import check_authentication, check_list_picker, check_payment
from sandbox.rich.card import check_card, check_carousel
from sandbox.rich.contact import check_contacts
from sandbox.rich.interactive import check_interactive
from sandbox.rich.media import check_media
from sandbox.rich.node import Node
from sandbox.rich.place import check_location
from sandbox.rich.suggestion import check_suggestions
from sandbox.rich.template import check_template

_MOST_ITEMS = 5
_APPLE_TEXT = 4096  #: characters
_CARD_ONLY = ("header", "cardOrientation", "thumbnailAlignment")

Check = Callable[[Node, AbstractSet[str]], None]
_OBJECTS: dict[str, Check] = {
    "carousel": check_carousel,
    "template": check_template,
    "interactive": check_interactive,
    "location": lambda node, _: check_location(node),
    "listPicker": check_list_picker,
    "payment": lambda node, _: check_payment(node),
    "oauth2": lambda node, _: check_authentication(node),
}
_KINDS = (*_OBJECTS, "contacts")


class Reading(NamedTuple):
    """What a `richContent` comes to. `problem` is the first thing wrong with its values, with its path."""

    shows: bool  #: whether there is anything in it to show
    problem: str | None


def read_rich_content(document: object, channels: AbstractSet[str]) -> Reading:
    """Judge a `richContent`; raises Unreadable for a wrong type.

    `channels` are the folded names of `allowedChannels`. The limits of one channel hold where it is alone:
    what it does not take may still go out on another.
    """
    alone = channels if len(channels) == 1 or channels <= APPLE else frozenset[str]()
    faults: list[str] = []
    rich = Node(document, "richContent", faults)
    items = rich.nodes("conversation", most=_MOST_ITEMS)
    for item in items:
        _check_item(item, alone)
    check_suggestions(rich, alone)
    if "viber" in alone:
        _check_viber(rich, items)
    return Reading(bool(items) or rich.has_items("suggestions"), faults[0] if faults else None)


def _is_card(item: Node) -> bool:
    """Whether an item of header, text or media is a card: one bubble of more than a text or a file."""
    return item.has(*_CARD_ONLY) or (
        item.has("media") and (item.has("text") or item.has_items("suggestions"))
    )


def _check_item(item: Node, channels: AbstractSet[str]) -> None:
    kinds = [kind for kind in _KINDS if item.has(kind)]
    bubble = item.has("text", "media", *_CARD_ONLY)
    if len(kinds) + bubble != 1:
        item.refuse(f"is {' and '.join([*kinds, *['text or media'] * bubble]) or 'of no known kind'}")
    for kind in kinds:
        if kind == "contacts":
            check_contacts(item)
        elif node := item.node(kind):
            _OBJECTS[kind](node, channels)
    if bubble and _is_card(item):
        check_card(item, channels)
    elif bubble:
        _check_bubble(item, channels)
    if context := item.node("context"):
        context.text("message_id", needed=True)


def _check_bubble(item: Node, channels: AbstractSet[str]) -> None:
    """A text, or a file."""
    if item.has("text"):
        item.text("text", most=_APPLE_TEXT if channels & APPLE else None, needed=True)
        item.text("tag")
    check_media(item, channels)
    check_suggestions(item, channels)


def _check_viber(rich: Node, items: list[Node]) -> None:
    """Viber refuses a file with a button but without a text."""
    tapped = rich.has_items("suggestions") or any(item.has_items("suggestions") for item in items)
    if tapped and any(item.has("media") for item in items) and not any(item.has("text") for item in items):
        rich.refuse("has media and a suggestion but no text, which Viber does not take", "conversation")
