"""WhatsApp's templates ("WhatsApp templates"): a text that WhatsApp approved, and what fills its gaps.

How many gaps a template has only WhatsApp knows, so their number is not checked.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from sandbox.rich.media import check_media
from sandbox.rich.node import Node

_LAST_BUTTON = 2
_CURRENCY = re.compile(r"[A-Z]{3}")
_PARAMETERS = frozenset({"text", "currency", "date_time", "image", "document", "video", "payload"})


def check_template(template: Node, channels: AbstractSet[str]) -> None:
    """A template by its name, in a language."""
    whatsapp = template.node("whatsapp", needed=True)
    if whatsapp is None:
        return
    whatsapp.text("namespace", needed=True)
    whatsapp.text("element_name", needed=True)
    if language := whatsapp.node("language", needed=True):
        language.choice("policy", ("deterministic", "fallback"), needed=True)
        language.text("code", needed=True)
    for component in whatsapp.nodes("components"):
        _check_component(component, channels)


def _check_component(component: Node, channels: AbstractSet[str]) -> None:
    if component.choice("type", ("header", "body", "button"), needed=True) == "button":
        component.choice("sub_type", ("quick_reply", "url"), needed=True)
        component.need("index")
    index = component.whole("index")
    if index is not None and not 0 <= index <= _LAST_BUTTON:
        component.refuse(f"is not between 0 and {_LAST_BUTTON}", "index")
    for parameter in component.nodes("parameters"):
        _check_parameter(parameter, channels)


def _check_parameter(parameter: Node, channels: AbstractSet[str]) -> None:
    kind = parameter.choice("type", _PARAMETERS, needed=True)
    match kind:
        case "text" | "payload":
            parameter.text(kind, needed=True)
        case "currency":
            if currency := parameter.node("currency", needed=True):
                currency.text("fallback_value", needed=True)
                currency.match("code", _CURRENCY, "three capitals", needed=True)
                currency.need("amount_1000")
                currency.whole("amount_1000")
        case "date_time":
            if moment := parameter.node("date_time", needed=True):
                moment.text("fallback_value", needed=True)
                moment.whole("timestamp")
        case "image" | "document" | "video":
            check_media(parameter, channels, needed=True)
