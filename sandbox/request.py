"""The shape of CM's JSON request, read into plain values ("Shared features", "SMS", and CM's SDKs).

Keys are read in any case, properties that CM does not name are ignored, `null` counts as absent. Only
types are judged here: a wrong one spoils the whole request, a wrong value only its message (`gateway`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

T = TypeVar("T")

MALFORMED = 202
MSG_ARRAY_INCORRECT = 203
MAX_MESSAGES = 1000


class Unreadable(ValueError):
    """The request as a whole makes no sense; `code` is CM's for it."""

    def __init__(self, code: int, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


@dataclass(frozen=True, slots=True, kw_only=True)
class Msg:
    """One item of `msg`. A recipient without a number is None."""

    sender: str | None
    recipients: tuple[str | None, ...]
    text: str
    body_type: str
    dcs: int
    fewest_parts: int | None
    most_parts: int | None
    reference: str | None
    validity: str | None
    groupings: tuple[str, ...]
    channels: tuple[str, ...]
    app_key: str | None
    rich_content: dict[str, Any] | None  #: as it came


@dataclass(frozen=True, slots=True)
class Envelope:
    """The outermost layer: the legacy token, and the items of `msg` not yet read."""

    token: str | None
    items: list[Any]

    def messages(self) -> list[Msg]:
        """The items, read; raises Unreadable for a wrong type or too many."""
        messages = [_message(item) for item in self.items]
        recipients = sum(len(message.recipients) for message in messages)
        if recipients > MAX_MESSAGES:
            raise Unreadable(
                MSG_ARRAY_INCORRECT, f"{recipients} recipients are more than the {MAX_MESSAGES} of a request"
            )
        return messages


def open_envelope(body: bytes) -> Envelope:
    """Read the outermost layer; raises Unreadable with 202 when it is no JSON or of wrong types.

    A missing or wrong `msg` is left for `check_array`: the token comes first.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unreadable(MALFORMED, "The request is not valid JSON") from None
    messages = _read(_fields(document, "the request"), "messages", dict)
    fields = _fields(messages or {}, "messages")
    authentication = _fields(_read(fields, "authentication", dict) or {}, "authentication")
    items = fields.get("msg")
    return Envelope(_read(authentication, "producttoken", str), items if isinstance(items, list) else [])


def check_array(envelope: Envelope) -> None:
    """Raises Unreadable with 203 for a `msg` that is missing, empty, no array or too long."""
    if not envelope.items:
        raise Unreadable(MSG_ARRAY_INCORRECT, "A messages node requires an msg array of at least one item")
    if len(envelope.items) > MAX_MESSAGES:
        raise Unreadable(MSG_ARRAY_INCORRECT, f"{len(envelope.items)} msg items are more than {MAX_MESSAGES}")


def _message(item: object) -> Msg:
    fields = _fields(item, "msg")
    body = _fields(_read(fields, "body", dict) or {}, "body")
    return Msg(
        sender=_read(fields, "from", str),
        recipients=tuple([_read(_fields(to, "to"), "number", str) for to in _read(fields, "to", list) or []]),
        text=_read(body, "content", str) or "",
        body_type=(_read(body, "type", str) or "text").lower(),
        dcs=_read(fields, "dcs", int) or 0,
        fewest_parts=_read(fields, "minimumnumberofmessageparts", int),
        most_parts=_read(fields, "maximumnumberofmessageparts", int),
        reference=_read(fields, "reference", str),
        validity=_read(fields, "validity", str),
        groupings=tuple(
            _read(fields, name, str) or ""
            for name in ("customgrouping", "customgrouping2", "customgrouping3")
        ),
        channels=tuple(_texts(_read(fields, "allowedchannels", list) or [], "allowedChannels")),
        app_key=_read(fields, "appkey", str),
        rich_content=_read(fields, "richcontent", dict),
    )


def _fields(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(MALFORMED, f"{where}: an object is expected")
    return {name.lower(): item for name, item in value.items()}


def _read(fields: dict[str, Any], name: str, kind: type[T]) -> T | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise Unreadable(MALFORMED, f"{name}: wrong data type")
    return value


def _texts(values: list[Any], where: str) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        raise Unreadable(MALFORMED, f"{where}: texts are expected")
    return values
