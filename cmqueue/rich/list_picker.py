"""The list picker of Apple Messages for Business; without media CM turns it into quick replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from cmqueue.rich.item import Item
from cmqueue.rich.media import Media
from cmqueue.rich.part import Members, Part
from cmqueue.rich.value import Characters


class ListOption(Part):
    """One choice."""

    label: Annotated[str, Characters()]
    media: Media | None = None


class ListPicker(Item):
    """A list to choose from."""

    known_by: ClassVar[str] = "listPicker"
    within: ClassVar[tuple[str, ...]] = ("listPicker",)

    label: Annotated[str, Characters()]
    media: Media | None = None
    options: Annotated[Sequence[ListOption], Members(least=1)]
