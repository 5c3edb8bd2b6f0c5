"""Cards and carousels ("RCS rich card messages", "RCS carousel messages")."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from sandbox.rich.media import check_media
from sandbox.rich.node import Node
from sandbox.rich.suggestion import MOST_ON_A_CARD, check_suggestions

_FEWEST, _MOST = 2, 10
_HEIGHTS = frozenset({"small", "short", "medium", "tall"})
_SHOWN_BY_RCS = frozenset(
    {f"image/{kind}" for kind in ("jpeg", "jpg", "gif", "png")}
    | {f"video/{kind}" for kind in ("h263", "m4v", "mp4", "mpeg", "mpeg4", "webm")}
)


def check_carousel(carousel: Node, channels: AbstractSet[str]) -> None:
    """Cards of one width beside each other."""
    carousel.choice("cardWidth", ("small", "medium"), needed=True)
    for card in carousel.nodes("cards", least=_FEWEST, most=_MOST):
        check_card(card, channels)


def check_card(card: Node, channels: AbstractSet[str]) -> None:
    """Header, text and media, at least one of them, and what can be tapped below."""
    texts = [card.text("header"), card.text("text")]
    if shown := check_media(card, channels):
        media, mime_type = shown
        media.choice("mediaHeight", _HEIGHTS)
        if "rcs" in channels and mime_type not in _SHOWN_BY_RCS:
            media.refuse("is of a kind that RCS does not show", "mimeType")
    elif not any(texts):
        card.refuse("has neither header, text nor media")
    card.choice("cardOrientation", ("horizontal", "vertical"))
    card.choice("thumbnailAlignment", ("left", "right"))
    check_suggestions(card, channels, most=MOST_ON_A_CARD)
