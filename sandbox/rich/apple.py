"""Items of Apple Messages for Business: list picker, Apple Pay, authentication.

CM's page also speaks of a time picker, forms and app extensions, but not of their JSON.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from sandbox.rich.media import check_media
from sandbox.rich.node import Node

_CURRENCY = re.compile(r"[A-Z]{3}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_LANGUAGE = re.compile(r"[a-z]{2}(-[a-z]{2})?")


def check_list_picker(picker: Node, channels: AbstractSet[str]) -> None:
    """A heading, and options to choose from."""
    picker.text("label", needed=True)
    check_media(picker, channels)
    for option in picker.nodes("options", least=1):
        option.text("label", needed=True)
        check_media(option, channels)


def check_payment(payment: Node) -> None:
    """What is bought, from whom, for how much."""
    for name in ("merchantName", "description", "orderReference"):
        payment.text(name, needed=True)
    for line in payment.nodes("lineItems"):
        line.text("label", needed=True)
        line.choice("type", ("final", "pending"))
        line.need("amount")
        line.number("amount")
    total = payment.number("total")
    if total is not None and total <= 0:
        payment.refuse("is not above 0", "total")
    payment.text("recipientEmail")
    payment.match("currencyCode", _CURRENCY, "three capitals")
    payment.match("recipientCountryCode", _COUNTRY, "two capitals")
    payment.match("languageCountryCode", _LANGUAGE, "in small letters")
    payment.flag("billingAddressRequired")
    payment.flag("shippingContactRequired")


def check_authentication(node: Node) -> None:
    """OAuth2: CM's material does not show what belongs here, only that something does."""
    if node.empty:
        node.refuse("is empty")
