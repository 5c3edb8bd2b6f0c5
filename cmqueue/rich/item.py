"""Item: one entry of a conversation, on most channels a bubble of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from cmqueue.rich.part import Part
from cmqueue.rich.value import Characters

EMPTY: tuple[object, ...] = (None, "", [], {})  #: what CM's clients write for a member that is not set
_OF_CARDS = frozenset({"header", "cardorientation", "thumbnailalignment"})


class Context(Part):
    """What a message replies to, by the id that WhatsApp gave that one."""

    camel: ClassVar[bool] = False

    message_id: Annotated[str, Characters()]


class Item(Part):
    """One entry of a conversation. `context` is for WhatsApp alone.

    CM tells items apart by what they hold: `known_by` is the member that only items of a kind have, with the
    exception of text and media, which a card may have too.
    """

    known_by: ClassVar[str] = ""
    outside: ClassVar[frozenset[str]] = frozenset({"context"})
    known: ClassVar[dict[str, type[Item]]] = {}

    context: Context | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if known_by := cls.__dict__.get("known_by"):
            Item.known[known_by.lower()] = cls

    @classmethod
    def kind_of(cls, members: Mapping[str, Any]) -> type[Part] | None:
        if cls is not Item:
            return super().kind_of(members)
        held = {name for name, value in members.items() if value not in EMPTY}
        if held & _OF_CARDS or {"media", "text"} <= held or {"media", "suggestions"} <= held:
            held -= {"media", "text"}
            held.add("header")
        # Text and media last: a member that only another kind has says more.
        found = sorted(held & Item.known.keys(), key=lambda name: (name in ("header", "media", "text"), name))
        return Item.known[found[0]] if found else None
