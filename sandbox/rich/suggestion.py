"""Suggestions: what a recipient may tap instead of typing ("RCS suggested replies messages", CM's SDKs)."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from datetime import datetime

from sandbox.channel import APPLE
from sandbox.rich.media import check_media
from sandbox.rich.node import Node
from sandbox.rich.place import check_view

MOST = 11  #: of a message
MOST_ON_A_CARD = 4

_MOST_APPLE_REPLIES = 5
_RCS_LABEL = 25  #: characters
_DIALLED = re.compile(r"[0-9+*#]+")


def check_suggestions(holder: Node, channels: AbstractSet[str], *, most: int = MOST) -> None:
    """The `suggestions` of a message, an item or a card."""
    actions = [_check(node, channels) for node in holder.nodes("suggestions", most=most)]
    if channels & APPLE and actions.count("reply") > _MOST_APPLE_REPLIES:
        holder.refuse(f"has more than {_MOST_APPLE_REPLIES} replies", "suggestions")


def _check(node: Node, channels: AbstractSet[str]) -> str:
    """One suggestion; its action in lower case."""
    node.text("label", most=_RCS_LABEL if "rcs" in channels else None, needed=True)
    node.text("postbackdata")
    if picker := node.node("calendarPicker"):  # with which action CM's material does not tell
        for event in picker.nodes("options", least=1):
            _check_event(event)
        return node.text("action").lower()
    action = node.choice("action", _ACTIONS, needed=True)
    if check := _ACTIONS.get(action):
        check(node, channels)
    return action


def _check_reply(node: Node, channels: AbstractSet[str]) -> None:
    node.text("description")
    check_media(node, channels)


def _check_link(node: Node, _: AbstractSet[str]) -> None:
    node.url("url")


def _check_call(node: Node, _: AbstractSet[str]) -> None:
    if dial := node.node("dial", needed=True):
        dial.match("phoneNumber", _DIALLED, "made of digits, +, * and #", needed=True)


def _check_view(node: Node, _: AbstractSet[str]) -> None:
    if place := node.node("viewLocation", needed=True):
        check_view(place)


def _check_calendar(node: Node, _: AbstractSet[str]) -> None:
    if event := node.node("calendar", needed=True):
        _check_event(event)


def _check_share(node: Node, _: AbstractSet[str]) -> None:
    share = node.node("shareLocation", needed=True)
    if share and share.flag("requestLocation") is not True:
        share.refuse("is not true", "requestLocation")


def _check_event(event: Node) -> None:
    event.text("title", needed=True)
    event.text("description", needed=True)
    for name in ("startTime", "endTime"):
        text = event.text(name, needed=True)
        try:
            datetime.fromisoformat(text or "2025-01-01T00:00")
        except ValueError:
            event.refuse("is not a time of ISO 8601", name)


_ACTIONS: dict[str, Callable[[Node, AbstractSet[str]], None]] = {
    "reply": _check_reply,
    "openurl": _check_link,
    "dial": _check_call,
    "viewlocation": _check_view,
    "createcalendarevent": _check_calendar,
    "sharelocation": _check_share,
}
