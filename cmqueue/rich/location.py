"""Places on a map."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import model_validator

from cmqueue.errors import InvalidMessage
from cmqueue.rich.item import Item
from cmqueue.rich.part import Part
from cmqueue.rich.value import Characters, Degrees, Whole


class Place(Part):
    """A place by its degrees, or by words to search a map for. `radius` is for RCS."""

    latitude: Annotated[float | int | str, Degrees(90)] | None = None
    longitude: Annotated[float | int | str, Degrees(180)] | None = None
    label: Annotated[str, Characters()] | None = None
    search_query: Annotated[str, Characters()] | None = None
    radius: Annotated[int, Whole(1)] | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        for name in ("latitude", "longitude"):
            if self.search_query is None and getattr(self, name) is None:
                raise InvalidMessage(name, "is missing", "a place has latitude and longitude, or searchQuery")
        return self


class Location(Item, Place):
    """A place, sent by itself."""

    known_by: ClassVar[str] = "location"
    within: ClassVar[tuple[str, ...]] = ("location",)
