"""CM's JSON request and our headers, read into plain values ("Shared features", "SMS", and CM's SDKs).

Keys count in any case, null counts as absent, properties that CM does not name are ignored. Only types are
judged here, since a wrong one spoils the whole request at CM; a wrong value spoils its message alone, and the
library judges it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from pydantic_core import from_json

from cmqueue.channel import Channel, may_use_sms
from cmqueue.errors import InvalidMessage, UnknownLane
from cmqueue.lane import Lane, lane_named
from cmqueue.message import Options
from cmqueue.sms import count
from listening.turned_down import TurnedDown

MOST_PARTS = 8  #: of a text, where the request names no number
MOST_MESSAGES = 1000  #: items of `msg`, and recipients of each, that CM takes
MOST_IN_ALL = 10_000  #: recipients of one request, so that what it keeps in memory is bounded

MALFORMED = 202
MSG_ARRAY_INCORRECT = 203

IDEMPOTENCY_KEY = "Idempotency-Key"
LANE = "Cmqueue-Lane"
SEND_AT = "Cmqueue-Send-At"
EXPIRES_IN = "Cmqueue-Expires-In"
IDS = "Cmqueue-Ids"
#: Headers of ours of which two would leave open which one counts.
ONCE = frozenset(
    name.lower().encode() for name in ("X-CM-PRODUCTTOKEN", IDEMPOTENCY_KEY, LANE, SEND_AT, EXPIRES_IN, IDS)
)

T = TypeVar("T")

#: CM's property, in lower case: the library's field, and the type of its value
_PROPERTIES: dict[str, tuple[str, type[object]]] = {
    "from": ("sender", str),
    "minimumnumberofmessageparts": ("min_parts", int),
    "maximumnumberofmessageparts": ("max_parts", int),
    "dcs": ("dcs", int),
    "appkey": ("app_key", str),
    "validity": ("validity", str),
    "reference": ("client_reference", str),
}
_ORDERED_GROUPINGS = ("customgrouping", "customgrouping2", "customgrouping3")
_GROUPINGS = frozenset(_ORDERED_GROUPINGS)


class Refused(TurnedDown):
    """A request refused as a whole, with the code that CM would give."""

    def __init__(self, code: int, details: str, *, status: int = 400, retry_after: int | None = None) -> None:
        super().__init__(status, details, retry_after=retry_after)
        self.code = code


class Msg(NamedTuple):
    """One item of `msg`: its recipients (None has no number) and the library's fields that they share."""

    recipients: list[str | None]
    fields: dict[str, Any]

    @property
    def reference(self) -> str | None:
        return self.fields.get("client_reference")

    @property
    def parts(self) -> int:
        """How many SMS it is, by CM's rules ("SMS"); on any other channel one. Only for what was accepted."""
        fields = self.fields
        if not may_use_sms(map(Channel, fields.get("channels", ()))):
            return 1
        encoding, dcs = fields.get("encoding", "auto"), fields.get("dcs")
        counted = count(fields.get("text", ""), encoding=encoding, dcs=dcs)
        most: int = fields.get("max_parts", MOST_PARTS)
        return min(counted.parts, most)


class HeaderOptions(NamedTuple):
    """What the headers say beside the body."""

    lane: Lane
    send_at: datetime | None
    expires_in: float | None
    idempotency_key: str | None
    ids: bool  #: whether the rows of the answer have the messages' ids

    def key_at(self, position: int, owner: str = "") -> str | None:
        """The idempotency key of the message at `position`; one header's keys never meet another's.

        Nor do those of one `owner` another's: two applications may both have an `order-1`.
        """
        if self.idempotency_key is None:
            return None
        place = f"{position}|{owner}" if owner else f"{position}"
        return hmac.digest(self.idempotency_key.encode(), place.encode(), "sha256").hex()


def read_options(headers: Mapping[str, str], default: Lane = Lane.NORMAL) -> HeaderOptions:
    """Our options, the lane `default` where none is named; raises Refused (202), naming the header.

    Names in `headers` count in any case.
    """
    try:
        lane = lane_named(headers.get(LANE, default))
    except UnknownLane:
        raise Refused(MALFORMED, f"{LANE}: the lanes are {', '.join(Lane)}") from None
    if (ids := headers.get(IDS, "0")) not in ("0", "1"):
        raise Refused(MALFORMED, f"{IDS}: 0 or 1 is expected")
    seconds = headers.get(EXPIRES_IN)
    try:
        checked = Options(
            send_at=headers.get(SEND_AT),
            expires_in=None if seconds is None else _number(seconds),
            idempotency_key=headers.get(IDEMPOTENCY_KEY),
        )
    except InvalidMessage as error:
        header = {"send_at": SEND_AT, "expires_in": EXPIRES_IN}.get(error.field, IDEMPOTENCY_KEY)
        raise Refused(MALFORMED, f"{header}: {error.problem} (rule: {error.rule})") from None
    return HeaderOptions(lane, checked.send_at, checked.expires_in, checked.idempotency_key, ids == "1")


def read_document(body: bytes) -> object:
    """The JSON of a request's body; raises Refused (202)."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        raise Refused(MALFORMED, "The request is not valid JSON in UTF-8") from None


def read_request(document: object) -> list[Msg]:
    """The messages of a request; raises Refused (202, 203)."""
    messages = _read(_folded(document, "the request"), "messages", dict) or {}
    items = _folded(messages, "messages").get("msg")
    if not isinstance(items, list) or not items:
        raise Refused(MSG_ARRAY_INCORRECT, "messages requires an msg array of at least one item")
    if len(items) > MOST_MESSAGES:
        raise Refused(MSG_ARRAY_INCORRECT, f"{len(items)} msg items are more than {MOST_MESSAGES}")
    found = [_msg(item) for item in items]
    recipients = [len(msg.recipients) for msg in found]
    if max(recipients) > MOST_MESSAGES:
        raise Refused(
            MSG_ARRAY_INCORRECT, f"{max(recipients)} recipients of a msg are more than {MOST_MESSAGES}"
        )
    if sum(recipients) > MOST_IN_ALL:
        raise Refused(MSG_ARRAY_INCORRECT, f"{sum(recipients)} recipients are more than {MOST_IN_ALL}")
    return found


def _msg(item: object) -> Msg:
    given = _folded(item, "msg")
    fields: dict[str, Any] = {}
    for name, value in given.items():
        if value is not None and (property := _PROPERTIES.get(name)) is not None:
            field, kind = property
            fields[field] = _typed(value, kind, name)
    if fields.get("client_reference") == "":
        del fields["client_reference"]
    body = _folded(_read(given, "body", dict) or {}, "body")
    if (text := _read(body, "content", str)) is not None:
        fields["text"] = text
    # Without a type CM sends plain GSM 7-bit, as with `text`.
    encoding = (_read(body, "type", str) or "text").lower()
    # What the library takes for granted is left out: the plainer a message, the sooner it is checked.
    if encoding != "auto":
        fields["encoding"] = encoding
    if channels := _read(given, "allowedchannels", list):
        fields["channels"] = _all(str, channels, "allowedChannels")
    if not _GROUPINGS.isdisjoint(given):
        fields["custom_groupings"] = [_read(given, name, str) or "" for name in _ORDERED_GROUPINGS]
    if rich := _read(given, "richcontent", dict):
        _check_rich(rich)
        fields["rich_content"] = rich
        fields["unknown_fields"] = "pass"  # CM adds some before we do
    return Msg([_recipient(to) for to in _read(given, "to", list) or ()], fields)


def _recipient(to: object) -> str | None:
    if type(to) is dict and len(to) == 1 and type(number := to.get("number")) is str:  # as nearly all are
        return number
    return _read(_folded(to, "to"), "number", str)


def _check_rich(rich: dict[str, Any]) -> None:
    """Raises Refused where CM would refuse the whole request for the outer types of `rich`."""
    given = _folded(rich, "richContent")
    for name in ("conversation", "suggestions"):
        _all(dict, _read(given, name, list) or [], name)


def _folded(value: object, where: str) -> dict[str, Any]:
    """The members of an object, their names in lower case."""
    if not isinstance(value, dict):
        raise Refused(MALFORMED, f"{where}: an object is expected")
    return {name.lower(): member for name, member in value.items()}


def _read(members: dict[str, Any], name: str, kind: type[T]) -> T | None:
    value = members.get(name)
    return None if value is None else _typed(value, kind, name)


def _typed(value: Any, kind: type[T], name: str) -> T:
    """`value`, of what JSON has; true and false are no numbers."""
    if type(value) is not kind:
        raise Refused(MALFORMED, f"{name}: wrong data type")
    return value


def _all(kind: type[T], members: list[Any], where: str) -> list[T]:
    if not all(isinstance(member, kind) for member in members):
        raise Refused(MALFORMED, f"{where}: a member has a wrong data type")
    return members


def _number(text: str) -> float | str:
    """`text` as a number; what is none comes back for the library to refuse by its rule."""
    try:
        return float(text)
    except ValueError:
        return text
