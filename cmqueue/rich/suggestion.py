"""Suggestions: what a person can tap instead of typing ("RCS suggested replies")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar

from cmqueue.rich.location import Place
from cmqueue.rich.media import Media
from cmqueue.rich.part import Members, Part
from cmqueue.rich.value import Characters, Dialled, Flag, Moment, Url

LONGEST_LABEL = 25  #: characters


class Suggestion(Part):
    """A label to tap. `postbackdata` comes back in place of the label when somebody does."""

    told_by: ClassVar[str] = "action"
    outside: ClassVar[frozenset[str]] = frozenset({"label", "postbackdata"})

    label: Annotated[str, Characters(LONGEST_LABEL)]
    postbackdata: Annotated[str, Characters()] | None = None

    @classmethod
    def kind_of(cls, members: Mapping[str, Any]) -> type[Part] | None:
        # CM's material names no action for a calendar picker: what it holds tells it.
        return CalendarPicker if members.get("calendarpicker") else super().kind_of(members)


class Reply(Suggestion):
    """Sends the label back. `description` is for Twitter, `media`, a thumbnail, for Messenger."""

    kind: ClassVar[str] = "Reply"

    description: Annotated[str, Characters()] | None = None
    media: Media | None = None


class OpenUrl(Suggestion):
    """Opens a web page."""

    kind: ClassVar[str] = "OpenUrl"

    url: Annotated[str, Url()]


class Dial(Suggestion):
    """Calls a number."""

    kind: ClassVar[str] = "Dial"
    within: ClassVar[tuple[str, ...]] = ("dial",)

    phone_number: Annotated[str, Dialled()]


class ViewLocation(Suggestion):
    """Shows a place on a map."""

    kind: ClassVar[str] = "viewLocation"

    view_location: Place


class ShareLocation(Suggestion):
    """Asks for the place where somebody is."""

    kind: ClassVar[str] = "ShareLocation"
    within: ClassVar[tuple[str, ...]] = ("shareLocation",)

    request_location: Annotated[bool, Flag()] = True


class CalendarEvent(Part):
    """An appointment."""

    start_time: Annotated[datetime | str, Moment()]
    end_time: Annotated[datetime | str, Moment()]
    title: Annotated[str, Characters()]
    description: Annotated[str, Characters()] | None = None


class CreateCalendarEvent(Suggestion, CalendarEvent):
    """Puts an appointment into a calendar."""

    kind: ClassVar[str] = "CreateCalendarEvent"
    within: ClassVar[tuple[str, ...]] = ("calendar",)


class CalendarPicker(Suggestion):
    """Lets somebody pick one of several appointments, on Apple Messages for Business.

    `action` is not named in what CM publishes; give what CM told you.
    """

    told_by: ClassVar[str] = ""
    within: ClassVar[tuple[str, ...]] = ("calendarPicker",)
    outside: ClassVar[frozenset[str]] = frozenset({"action", "label", "postbackdata"})

    action: Annotated[str, Characters()] = "CalendarPicker"
    options: Annotated[Sequence[CalendarEvent], Members(least=1)]
