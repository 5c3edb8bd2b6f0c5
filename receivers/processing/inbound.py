"""An inbound message: what somebody wrote to a number of ours ("Incoming messages"); any part may be absent.

{"reference", "messageContext", "from": {"number", "name"}, "to": {"number"},
 "message": {"text", "media": {"mediaUri", "contentType", "title"},
             "custom": {"location": {"latitude", "longitude", "label", "searchQuery"}, "contacts": […]}},
 "groupings": ["", "", ""], "timeUtc": "yyyy-MM-ddTHH:mm:ss", "channel": "SMS"}
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from receivers.processing.document import Fields, fields, from_json, text
from receivers.processing.unreadable import Unreadable, Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What inbound messages and events have in common. `time` is UTC as CM writes it, without its zone.

    `reference` and `context` may name the message of ours that is answered; CM's pages say it of both, and of
    `reference` also that it is a UUID of its own. So either is only tried.
    """

    number: str = field(default="", repr=False)
    to: str = ""
    reference: str = ""
    context: str = ""
    groupings: tuple[str, ...] = ()
    time: str = ""
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Media:
    """A file at CM's, which its link opens."""

    uri: str = field(repr=False)
    content_type: str = ""
    title: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Location:
    """A place, in degrees."""

    latitude: float = field(repr=False)
    longitude: float = field(repr=False)
    label: str = field(default="", repr=False)
    search_query: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """One inbound message. `contacts` are as the channel wrote them; `custom` is all that CM put there."""

    envelope: Envelope
    name: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    media: Media | None = None
    location: Location | None = None
    contacts: tuple[Any, ...] = field(default=(), repr=False)
    custom: dict[str, Any] = field(default_factory=dict, repr=False)


def from_json_body(body: bytes) -> list[Inbound | Unreadable]:
    """The messages of `body`: one, as CM's page has it, or an array."""
    found = from_json(body)
    if isinstance(found, Unreadable):
        return [found]
    messages = found if type(found) is list else [found]
    return [_message(message) for message in messages] or [Unreadable(Why.EMPTY)]


def _message(found: Any) -> Inbound | Unreadable:
    if type(found) is not dict:
        return Unreadable(Why.NOT_AN_OBJECT)
    told = fields(found)
    envelope, message = envelope_of(told), fields(told.get("message"))
    if not envelope.number and not message:
        return Unreadable(Why.EMPTY)
    custom = message.get("custom")
    special = fields(custom)
    contacts = special.get("contacts")
    written = message.get("text")
    return Inbound(
        envelope=envelope,
        name=text(fields(told.get("from")).get("name")),
        text=written if type(written) is str else text(written),
        media=_media(fields(message.get("media"))),
        location=_location(fields(special.get("location"))),
        contacts=tuple(contacts) if type(contacts) is list else (),
        custom=custom if type(custom) is dict else {},
    )


def envelope_of(told: Fields) -> Envelope:
    groupings = told.get("groupings")
    return Envelope(
        number=_number(told.get("from")),
        to=_number(told.get("to")),
        reference=text(told.get("reference")),
        context=text(told.get("messagecontext")),
        groupings=tuple(text(group) for group in groupings) if type(groupings) is list else (),
        time=text(told.get("timeutc")),
        channel=text(told.get("channel")),
    )


def _number(who: object) -> str:
    return text(fields(who).get("number")) if type(who) is dict else text(who)


def _media(told: Fields) -> Media | None:
    uri = text(told.get("mediauri"))
    return Media(uri, text(told.get("contenttype")), text(told.get("title"))) if uri else None


def _location(told: Fields) -> Location | None:
    """A place; CM's older table spells `longtitude`."""
    latitude = _degrees(told.get("latitude"))
    longitude = _degrees(told.get("longitude", told.get("longtitude")))
    if latitude is None or longitude is None:
        return None
    return Location(latitude, longitude, text(told.get("label")), text(told.get("searchquery")))


def _degrees(value: object) -> float | None:
    try:
        found = float(value) if isinstance(value, int | float | str) and type(value) is not bool else math.nan
    except ValueError:
        return None
    return found if -180 <= found <= 180 else None
