"""What one channel refuses and others take: checked where a content may go out on that channel alone.

The limits that hold on every channel stand beside the fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cmqueue.channel import Channel
from cmqueue.errors import InvalidMessage
from cmqueue.rich.card import Card, Carousel
from cmqueue.rich.item import Item
from cmqueue.rich.media import Media
from cmqueue.rich.part import Raw
from cmqueue.rich.suggestion import Reply, Suggestion
from cmqueue.rich.text import MediaMessage, Text

FIELD = "rich_content"  #: of Content and Message, where paths begin
APPLE_REPLIES = 5
APPLE_CHARACTERS = 4096
RCS_MEDIA = frozenset(
    {f"image/{kind}" for kind in ("jpeg", "jpg", "gif", "png")}
    | {f"video/{kind}" for kind in ("h263", "m4v", "mp4", "mpeg", "mpeg4", "webm")}
)

Items = Sequence[Item | Raw]
Suggestions = Sequence[Suggestion | Raw]


def check_channel(items: Items, suggestions: Suggestions, channels: tuple[Channel, ...]) -> None:
    """Raises InvalidMessage where `channels` is one that refuses this."""
    if channels == (Channel.APPLE_MESSAGES,):
        _check_apple(items, suggestions)
    elif channels == (Channel.RCS,):
        _check_rcs(items)
    elif channels == (Channel.VIBER,):
        _check_viber(items, suggestions)


def _check_apple(items: Items, suggestions: Suggestions) -> None:
    """The fact sheet of CM's page "Apple Messages for Business"."""
    for path, some in _suggestions(items, suggestions):
        replies = [index for index, each in enumerate(some) if isinstance(each, Reply)]
        if len(replies) > APPLE_REPLIES:
            raise InvalidMessage(
                f"{path}[{replies[APPLE_REPLIES]}]",
                "is one reply too many",
                f"at most {APPLE_REPLIES} replies on Apple Messages for Business",
            )
    for path, item in _placed(items):
        text = item.text if isinstance(item, Text | Card) else None
        if text is not None and len(text) > APPLE_CHARACTERS:
            rule = f"at most {APPLE_CHARACTERS} characters on Apple Messages for Business"
            raise InvalidMessage(f"{path}.text", f"is {len(text)} characters long", rule)
        media = _media(item)
        name = None if media is None else media.media_name
        if name is not None and "." not in name.strip("."):
            rule = "a name with the file's extension on Apple Messages for Business"
            raise InvalidMessage(f"{path}.media.mediaName", "has no extension", rule)


def _check_rcs(items: Items) -> None:
    """What a card can show (CM's page "RCS rich card messages")."""
    for path, item in _placed(items):
        cards = item.cards if isinstance(item, Carousel) else (item,)
        for index, card in enumerate(cards):
            media = card.media if isinstance(card, Card) else None
            if media is None or media.mime_type is None or media.mime_type.lower() in RCS_MEDIA:
                continue
            place = f"{path}.carousel.cards[{index}]" if isinstance(item, Carousel) else path
            rule = f"on a card of RCS one of {', '.join(sorted(RCS_MEDIA))}"
            raise InvalidMessage(f"{place}.media.mimeType", "is of a kind that RCS does not show", rule)


def _check_viber(items: Items, suggestions: Suggestions) -> None:
    """A note in CM's collection of samples."""
    with_media = any(_media(item) is not None for item in items)
    with_text = any(isinstance(item, Text | Card) and item.text is not None for item in items)
    for path, some in _suggestions(items, suggestions):
        if some and with_media and not with_text:
            rule = "Viber rejects media with a button and no text"
            raise InvalidMessage(path, "stand below media without a text", rule)


def _placed(items: Items) -> Iterator[tuple[str, Item | Raw]]:
    for index, item in enumerate(items):
        yield f"{FIELD}.conversation[{index}]", item


def _suggestions(items: Items, suggestions: Suggestions) -> Iterator[tuple[str, Suggestions]]:
    yield f"{FIELD}.suggestions", suggestions
    for path, item in _placed(items):
        if isinstance(item, Text | Card):
            yield f"{path}.suggestions", item.suggestions


def _media(item: Item | Raw) -> Media | None:
    return item.media if isinstance(item, MediaMessage | Card) else None
