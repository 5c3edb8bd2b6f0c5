"""An event: what somebody did with a message other than to write back ("Incoming events").

    {"reference", "messageContext", "from", "to", "event": {"type", "custom"}, "groupings", "timeUtc",
     "channel"}

RCS tells clicks: {"type": "SuggestionClick", "custom": {"postbackdata", "label"}}. Other events are kept as
they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from receivers.processing.document import fields, from_json, text
from receivers.processing.inbound import Envelope, envelope_of
from receivers.processing.unreadable import Unreadable, Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """One event. `postback` and `label` are those of a click; `custom` is all that CM put there."""

    envelope: Envelope
    type: str = ""
    postback: str = field(default="", repr=False)
    label: str = field(default="", repr=False)
    custom: Any = field(default=None, repr=False)


def from_json_body(body: bytes) -> list[Interaction | Unreadable]:
    """The events of `body`: one, or an array."""
    found = from_json(body)
    if isinstance(found, Unreadable):
        return [found]
    events = found if type(found) is list else [found]
    return [_event(event) for event in events] or [Unreadable(Why.EMPTY)]


def _event(found: Any) -> Interaction | Unreadable:
    if type(found) is not dict:
        return Unreadable(Why.NOT_AN_OBJECT)
    told = fields(found)
    envelope, event = envelope_of(told), fields(told.get("event"))
    if not envelope.number and not event:
        return Unreadable(Why.EMPTY)
    custom = event.get("custom")
    special = fields(custom)
    return Interaction(
        envelope=envelope,
        type=text(event.get("type")),
        postback=text(special.get("postbackdata")),
        label=text(special.get("label")),
        custom=custom,
    )
