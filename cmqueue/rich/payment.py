"""Payments with Apple Pay, on Apple Messages for Business."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from cmqueue.rich.item import Item
from cmqueue.rich.part import Members, Part
from cmqueue.rich.value import Amount, Characters, Choice, Flag, Form


class LineItem(Part):
    """A line of the bill: what, how much, and whether the sum may still change."""

    label: Annotated[str, Characters()]
    type: Annotated[str, Choice("final", "pending")] | None = None
    amount: Annotated[float | int, Amount()]
    sub_text: Annotated[str, Characters()] | None = None


class Payment(Item):
    """A bill. Country and currency codes are capitals, the language's is not."""

    known_by: ClassVar[str] = "payment"
    within: ClassVar[tuple[str, ...]] = ("payment",)

    merchant_name: Annotated[str, Characters()]
    description: Annotated[str, Characters()]
    order_reference: Annotated[str, Characters()]
    line_items: Annotated[Sequence[LineItem], Members()] = ()
    total: Annotated[float | int, Amount(positive=True)] | None = None
    recipient_email: Annotated[str, Characters()] | None = None
    currency_code: Annotated[str, Form("[A-Z]{3}", "a currency's code of three capitals")] | None = None
    recipient_country_code: Annotated[str, Form("[A-Z]{2}", "a country's code of two capitals")] | None = None
    language_country_code: (
        Annotated[str, Form("[a-z]{2}(?:-[a-z]{2})?", "a language's code in small letters, `nl` or `nl-nl`")]
        | None
    ) = None
    billing_address_required: Annotated[bool, Flag()] | None = None
    shipping_contact_required: Annotated[bool, Flag()] | None = None
