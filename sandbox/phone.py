"""The recipient's side: phones that answer, and what is done with a message on them.

CM tells both by webhook ("Incoming messages", "Incoming events"). Ordered is either by a JSON object:

    answers      the id of a message in the inbox, which says all of the next that is left out:
    from, name   the phone
    to           the number or id that is written to
    channel      SMS when nothing says otherwise
    context      the reference of the message that is meant
    groupings    three texts
    reference    the id of this one; drawn when left out

and a reply by these, an event by the last two:

    text
    media        {"mediaUri", "contentType", "title"}
    location     {"latitude", "longitude", "label", "searchQuery"}
    contacts     an array, as CM's WhatsApp page has them
    type         SuggestionClick when left out
    custom       an object: {"postbackdata", "label"} of a click
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

import orjson

from sandbox.caller import Call
from sandbox.courier import SERVICES, Courier, Parcel
from sandbox.inbox import Entry, Inbox
from sandbox.numbers import written
from sandbox.webhooks import Webhooks

_ENVELOPE = {
    "answers": int,
    "from": str,
    "name": str,
    "to": str,
    "channel": str,
    "context": str,
    "reference": str,
    "groupings": list,
}
_REPLY = {"text": str, "media": dict, "location": dict, "contacts": list}
_EVENT = {"type": str, "custom": dict}
_MEDIA = ("mediaUri", "contentType", "title")

Document = dict[str, Any]


class BadOrder(ValueError):
    """This is no reply and no event; the text names the property."""


class Phone:
    """Has replies and events told. `chance` is seeded by the caller; `now` is seconds since 1970."""

    def __init__(
        self, inbox: Inbox, webhooks: Webhooks, courier: Courier, chance: Random, now: Callable[[], float]
    ) -> None:
        self._inbox = inbox
        self._webhooks = webhooks
        self._courier = courier
        self._chance = chance
        self._now = now

    def reply(self, order: object) -> Document:
        """Have a phone write back; the document that is sent. Raises BadOrder, and then nothing is."""
        fields = _checked(order, _ENVELOPE | _REPLY)
        media = fields.get("media") or {}
        if not set(media) <= set(_MEDIA):
            raise BadOrder(f"media: takes only {', '.join(_MEDIA)}")
        if not {"text", "media", "location", "contacts"} & set(fields):
            raise BadOrder("text: a reply has this, media, location or contacts")
        message = {
            "text": fields.get("text", ""),
            "media": {name: media.get(name, "") for name in _MEDIA},
            "custom": {name: fields[name] for name in ("location", "contacts") if name in fields},
        }
        return self._tell("inbound", fields, {"message": message})

    def event(self, order: object) -> Document:
        """The same for something done with a message."""
        fields = _checked(order, _ENVELOPE | _EVENT)
        event = {"type": fields.get("type", "SuggestionClick"), "custom": fields.get("custom", {})}
        return self._tell("event", fields, {"event": event})

    def _tell(self, kind: str, fields: Document, content: Document) -> Document:
        if getattr(self._webhooks, SERVICES[kind].setting) is None:
            raise BadOrder(f"{SERVICES[kind].setting} is not set")
        document = self._envelope(fields) | content
        parcel = Parcel(kind, _Posted(orjson.dumps(document)))
        if not self._courier.take(parcel):
            raise BadOrder("hold: too much waits to be told already")
        if self._chance.random() < self._webhooks.duplicates:
            self._courier.take(Parcel(kind, parcel.call), after=self._webhooks.wait(self._chance))
        return document

    def _envelope(self, fields: Document) -> Document:
        if "answers" in fields:
            entry = self._inbox.get(fields["answers"])
            if entry is None:
                raise BadOrder("answers: no such message in the inbox")
            fields = self._answering(entry) | fields
        for name in ("from", "to"):
            if not fields.get(name):
                raise BadOrder(f"{name}: needed, unless `answers` says it")
        groupings = fields.get("groupings", ["", "", ""])
        if len(groupings) != 3 or not all(isinstance(grouping, str) for grouping in groupings):
            raise BadOrder("groupings: three texts")
        return {
            "reference": fields.get("reference") or str(UUID(int=self._chance.getrandbits(128), version=4)),
            "messageContext": fields.get("context", ""),
            "from": {"number": fields["from"], "name": fields.get("name", "")},
            "to": {"number": fields["to"]},
            "groupings": groupings,
            "timeUtc": datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "channel": fields.get("channel", "SMS"),
        }

    def _answering(self, entry: Entry) -> Document:
        message = entry.message
        return {
            "from": written(entry.number, self._webhooks.numbers, self._chance),
            "to": message.sender or "",
            "context": message.reference or "",
            "channel": message.channels[0] if message.channels else "SMS",
            "groupings": list(message.groupings),
        }


class _Posted:
    """Makes the request of one document for a URL."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __call__(self, url: str) -> Call:
        return Call("POST", url, self._body, "application/json; charset=utf-8")


def _checked(order: object, kinds: Mapping[str, type]) -> Document:
    if not isinstance(order, dict):
        raise BadOrder("a JSON object is expected")
    fields = {name: value for name, value in order.items() if value is not None}
    for name, value in fields.items():
        if name not in kinds:
            raise BadOrder(f"{name}: one of {', '.join(kinds)}")
        if not isinstance(value, kinds[name]) or isinstance(value, bool):
            raise BadOrder(f"{name}: wrong data type")
    return fields
