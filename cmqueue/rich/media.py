"""Media: an image, a video, an audio file or a document that CM fetches."""

from __future__ import annotations

from typing import Annotated

from cmqueue.rich.part import Part
from cmqueue.rich.value import Characters, Choice, Url


class Media(Part):
    """What to show. `media_height` is for RCS cards, where a phone cuts the picture to it."""

    media_uri: Annotated[str, Url(web=True)]
    media_name: Annotated[str, Characters()] | None = None
    mime_type: Annotated[str, Characters()] | None = None
    media_height: Annotated[str, Choice("SHORT", "MEDIUM", "TALL", "SMALL")] | None = None
