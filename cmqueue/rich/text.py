"""Text and media: the plainest items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from cmqueue.rich.item import Item
from cmqueue.rich.media import Media
from cmqueue.rich.part import Members, Raw
from cmqueue.rich.suggestion import Suggestion
from cmqueue.rich.value import Characters

MOST_SUGGESTIONS = 11


class Text(Item):
    """A text. `tag` is Instagram's message tag."""

    known_by: ClassVar[str] = "text"

    text: Annotated[str, Characters()]
    tag: Annotated[str, Characters()] | None = None
    suggestions: Annotated[Sequence[Suggestion | Raw], Members(MOST_SUGGESTIONS)] = ()


class MediaMessage(Item):
    """An image, a video, an audio file or a document by itself."""

    known_by: ClassVar[str] = "media"

    media: Media
