"""RichContent: what channels other than SMS show in place of the text; CM's `richContent`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, cast

from cmqueue.channel import Channel
from cmqueue.content import json_object
from cmqueue.rich.channel_limits import FIELD, check_channel
from cmqueue.rich.item import Item
from cmqueue.rich.part import Members, Part, Raw
from cmqueue.rich.reading import read
from cmqueue.rich.suggestion import Suggestion
from cmqueue.rich.text import MOST_SUGGESTIONS

MOST_ITEMS = 5


class RichContent(Part):
    """A conversation of up to five items, and suggestions below it."""

    conversation: Annotated[Sequence[Item | Raw], Members(MOST_ITEMS)] = ()
    suggestions: Annotated[Sequence[Suggestion | Raw], Members(MOST_SUGGESTIONS)] = ()


def checked(value: object, channels: Iterable[Channel], *, lenient: bool) -> dict[str, Any]:
    """The document to send for a RichContent, or for a mapping, which is CM's own JSON: a copy of it.

    Raises InvalidMessage with the path of the field, or Problem for what is no JSON object at all.
    """
    if isinstance(value, RichContent):
        rich, document = value, json_object(value.document(), FIELD)
    else:
        document = json_object(value, FIELD)
        rich = cast("RichContent", read(RichContent, document, FIELD, lenient=lenient))
    check_channel(rich.conversation, rich.suggestions, tuple(channels))
    return document
