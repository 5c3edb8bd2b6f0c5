"""Cards and carousels ("RCS rich cards", "RCS carousels"); other channels show of them what they can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

from pydantic import model_validator

from cmqueue.errors import InvalidMessage
from cmqueue.rich.item import Item
from cmqueue.rich.media import Media
from cmqueue.rich.part import Members, Raw
from cmqueue.rich.suggestion import Suggestion
from cmqueue.rich.value import Characters, Choice

MOST_SUGGESTIONS = 4


class Card(Item):
    """Header, text and media together, at least one of them, and up to four suggestions.

    `thumbnail_alignment` is for horizontal cards.
    """

    known_by: ClassVar[str] = "header"

    header: Annotated[str, Characters()] | None = None
    text: Annotated[str, Characters()] | None = None
    media: Media | None = None
    card_orientation: Annotated[str, Choice("HORIZONTAL", "VERTICAL")] | None = None
    thumbnail_alignment: Annotated[str, Choice("LEFT", "RIGHT")] | None = None
    suggestions: Annotated[Sequence[Suggestion | Raw], Members(MOST_SUGGESTIONS)] = ()

    @model_validator(mode="after")
    def _shows(self) -> Self:
        if self.header is None and self.text is None and self.media is None:
            raise InvalidMessage("text", "is missing", "a card has a header, a text or media")
        return self


class Carousel(Item):
    """Cards side by side."""

    known_by: ClassVar[str] = "carousel"
    within: ClassVar[tuple[str, ...]] = ("carousel",)

    card_width: Annotated[str, Choice("Small", "Medium")] = "Medium"
    cards: Annotated[Sequence[Card], Members(10, least=2)]
