"""Interactive messages of WhatsApp: lists, buttons, products ("WhatsApp interactive messages")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

from pydantic import model_validator

from cmqueue.errors import InvalidMessage
from cmqueue.rich.item import Item
from cmqueue.rich.media import Media
from cmqueue.rich.part import Members, Part, Raw
from cmqueue.rich.value import Characters, Choice

MOST_ROWS = 10  #: of a list, in all its sections
MOST_PRODUCTS = 30  #: of a product list, in all its sections


class InteractiveHeader(Part):
    """A text, or media above reply buttons."""

    type: Annotated[str, Choice("text", "image", "video", "document")] = "text"
    text: Annotated[str, Characters()] | None = None
    media: Media | None = None

    @model_validator(mode="after")
    def _has_what_it_says(self) -> Self:
        needed = {"text": "text", "image": "media", "video": "media", "document": "media"}.get(self.type)
        if needed and getattr(self, needed) is None:
            raise InvalidMessage(needed, "is missing", f"a header of type {self.type} has {needed}")
        return self


class InteractiveBody(Part):
    """The text."""

    text: Annotated[str, Characters(1024)]


class InteractiveFooter(Part):
    """The small print."""

    text: Annotated[str, Characters(60)]


class Row(Part):
    """One choice of a list. Its `id` comes back."""

    id: Annotated[str, Characters(200)]
    title: Annotated[str, Characters(24)]
    description: Annotated[str, Characters(72)] | None = None


class Section(Part):
    """Some rows under a title."""

    title: Annotated[str, Characters(24)] | None = None
    rows: Annotated[Sequence[Row], Members(MOST_ROWS, least=1)]


class ListAction(Part):
    """The button that opens a list, and the list: at most ten rows in all its sections."""

    button: Annotated[str, Characters()]
    sections: Annotated[Sequence[Section], Members(MOST_ROWS, least=1)]

    @model_validator(mode="after")
    def _short(self) -> Self:
        rows = sum(len(section.rows) for section in self.sections)
        if rows > MOST_ROWS:
            raise InvalidMessage("sections", f"have {rows} rows in all", f"at most {MOST_ROWS} rows in all")
        return self


class ReplyButton(Part):
    """A button. Its `id` comes back."""

    told_by: ClassVar[str] = "type"
    kind: ClassVar[str] = "reply"
    within: ClassVar[tuple[str, ...]] = ("reply",)

    id: Annotated[str, Characters(256)]
    title: Annotated[str, Characters(20)]


class ButtonAction(Part):
    """One to three buttons."""

    buttons: Annotated[Sequence[ReplyButton | Raw], Members(3, least=1)]


class ProductAction(Part):
    """One product of a catalogue."""

    camel: ClassVar[bool] = False

    catalog_id: Annotated[str, Characters()]
    product_retailer_id: Annotated[str, Characters()]


class ProductItem(Part):
    """A product of the catalogue."""

    camel: ClassVar[bool] = False

    product_retailer_id: Annotated[str, Characters()]


class ProductSection(Part):
    """Some products under a title."""

    camel: ClassVar[bool] = False

    title: Annotated[str, Characters(24)] | None = None
    product_items: Annotated[Sequence[ProductItem], Members(MOST_PRODUCTS, least=1)]


class ProductListAction(Part):
    """Products of a catalogue: at most thirty in all sections."""

    camel: ClassVar[bool] = False

    catalog_id: Annotated[str, Characters()]
    sections: Annotated[Sequence[ProductSection], Members(MOST_PRODUCTS, least=1)]

    @model_validator(mode="after")
    def _short(self) -> Self:
        products = sum(len(section.product_items) for section in self.sections)
        if products > MOST_PRODUCTS:
            rule = f"at most {MOST_PRODUCTS} products in all"
            raise InvalidMessage("sections", f"have {products} products in all", rule)
        return self


class Interactive(Item):
    """What the interactive messages have in common."""

    camel: ClassVar[bool] = False
    known_by: ClassVar[str] = "interactive"
    within: ClassVar[tuple[str, ...]] = ("interactive",)
    told_by: ClassVar[str] = "type"
    told_inside: ClassVar[bool] = True

    header: InteractiveHeader | None = None
    footer: InteractiveFooter | None = None

    @model_validator(mode="after")
    def _header_fits(self) -> Self:
        if self.header is not None and self.header.media is not None and self.kind != "button":
            raise InvalidMessage("header.media", "is there", "media stand above reply buttons alone")
        return self


class InteractiveList(Interactive):
    """A button that opens a list to choose from."""

    kind: ClassVar[str] = "list"

    body: InteractiveBody
    action: ListAction


class InteractiveButtons(Interactive):
    """Up to three buttons."""

    kind: ClassVar[str] = "button"

    body: InteractiveBody
    action: ButtonAction


class InteractiveProduct(Interactive):
    """One product of a catalogue."""

    kind: ClassVar[str] = "product"

    body: InteractiveBody | None = None
    action: ProductAction


class InteractiveProductList(Interactive):
    """Several products of a catalogue; its header is not optional."""

    kind: ClassVar[str] = "product_list"

    header: InteractiveHeader
    body: InteractiveBody
    action: ProductListAction
