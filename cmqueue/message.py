"""Message: one content to one recipient, with the options that belong to it alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import to_json

from cmqueue import number
from cmqueue.channel import ID_RULE, check_id, numbers_are_opaque
from cmqueue.content import CONTENT_BYTES, WIRE, Checked, Content, ContentFields, Problem, json_object, plain
from cmqueue.errors import InvalidMessage
from cmqueue.lane import Guarantee
from cmqueue.validity import LATEST

__all__ = ["Content", "Message", "Options", "parse_message", "parse_recipient"]

METADATA_BYTES = 1024  #: of JSON in UTF-8
LABEL_CHARACTERS = 64  #: of a client reference, a campaign
IDEMPOTENCY_KEY_CHARACTERS = 255
LONGEST_LIFE = 366 * 24 * 3600  #: seconds, the most that `expires_in` may be

M = TypeVar("M", bound=Checked)

LABEL_RULE = f"text of 1 to {LABEL_CHARACTERS} characters, without NUL"
Label = Annotated[str, Field(min_length=1, max_length=LABEL_CHARACTERS), AfterValidator(plain)]
Key = Annotated[str, Field(min_length=1, max_length=IDEMPOTENCY_KEY_CHARACTERS), AfterValidator(plain)]


class Options(Checked):
    """What a caller may say of a message beside its content and recipient. Raises InvalidMessage.

    client_reference  the caller's own handle, returned in events; never used to tell messages apart
    metadata          a JSON object of at most 1024 bytes, returned in events
    idempotency_key   a second message with this key is the first one again
    send_at           not before this aware datetime, or ISO 8601 text with a zone
    expires_in        seconds from `send_at`, or from now; or a timedelta, kept as seconds
    guarantee         what happens when nobody knows whether CM took it; else the lane decides
    campaign          a name to count, pause and cancel by
    """

    client_reference: Label | None = Field(default=None, description=LABEL_RULE)
    metadata: dict[str, Any] | None = Field(
        default=None, description=f"a JSON object of at most {METADATA_BYTES} bytes"
    )
    idempotency_key: Key | None = Field(
        default=None, description=f"text of 1 to {IDEMPOTENCY_KEY_CHARACTERS} characters, without NUL"
    )
    send_at: datetime | None = Field(
        default=None,
        description="a datetime with a zone, or ISO 8601 text with one, in the years 1970 to 2105",
    )
    expires_in: float | None = Field(
        default=None, description=f"more than 0 and at most {LONGEST_LIFE} seconds, or a timedelta"
    )
    guarantee: Guarantee | None = Field(default=None, description=" or ".join(Guarantee))
    campaign: Label | None = Field(default=None, description=LABEL_RULE)

    @field_validator("metadata", mode="plain")
    @classmethod
    def _small(cls, value: object) -> dict[str, Any] | None:
        if value is None:
            return None
        # An empty object says nothing, but is no mistake either.
        copy = json_object(value, "metadata") if value != {} else {}
        size = len(to_json(copy))
        if size > METADATA_BYTES:
            raise Problem(f"is {size} bytes of JSON")
        return copy

    @field_validator("send_at", mode="plain")
    @classmethod
    def _with_zone(cls, value: object) -> datetime | None:
        if isinstance(value, str):
            value = _read(value)
        if value is None:
            return None
        if not isinstance(value, datetime):
            raise Problem("is not a datetime")
        if value.utcoffset() is None:
            raise Problem("is a datetime without a zone")
        if not 0 < value.timestamp() <= LATEST:
            raise Problem("lies too far away")
        return value

    @field_validator("expires_in", mode="plain")
    @classmethod
    def _seconds(cls, value: object) -> float | None:
        if value is None:
            return None
        if isinstance(value, timedelta):
            value = value.total_seconds()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Problem("is not a number of seconds")
        if not 0 < value <= LONGEST_LIFE:
            raise Problem("lies outside its range")
        return value


class Message(ContentFields, Options):
    """One content to one recipient: what is accounted for. Raises InvalidMessage.

    Takes all that Content and Options take, and `to`: a phone number as people write it, kept in CM's form
    (`0031600000001`), or where no channel of its own knows phone numbers, an id that is kept as it is.
    A national number is read by `parse_message`, which knows the default region.
    """

    to: str = Field(description=number.RULE)

    @field_validator("to", mode="plain")
    @classmethod
    def _recipient(cls, to: Any, info: ValidationInfo) -> str:
        opaque = numbers_are_opaque(info.data.get("channels", ()))
        return parse_recipient(to, opaque=opaque, default_region=info.context)

    @property
    def content(self) -> Content:
        """What is sent, without the recipient: checked already, as part of this message."""
        own = self.__dict__
        given = self.__pydantic_fields_set__ & Content.model_fields.keys()
        return _made(Content, {name: own[name] for name in _OF_CONTENT}, given)

    def __hash__(self) -> int:
        return hash((self.to, self.sender, self.text))


_OF_CONTENT = (*Content.model_fields, WIRE)


def _made(model: type[M], own: dict[str, Any], given: set[str]) -> M:
    """A model of values that are checked already, made as unpickling makes it; `given` are the fields set."""
    made = model.__new__(model)
    made.__setstate__(
        {
            "__dict__": own,
            "__pydantic_fields_set__": given,
            "__pydantic_extra__": None,
            "__pydantic_private__": None,
        }
    )
    return made


def parse_message(item: Message | Mapping[str, Any], *, default_region: str | None) -> Message:
    """`item` as a Message; raises InvalidMessage.

    `default_region` (an ISO 3166 country code such as "NL") lets a mapping's `to` be a national number.
    """
    if isinstance(item, Message):
        return item
    message = _plain_message(item, default_region) if type(item) is dict else None
    if message is not None:
        return message
    if not isinstance(item, Mapping):
        raise InvalidMessage(
            "message", "is not an object", "a Message, or a mapping of field names to values"
        )
    return Message.of_mapping(item, default_region=default_region)


def _plain_message(fields: dict[Any, Any], default_region: str | None) -> Message | None:
    """The message of a dict with sender, number and text, labels perhaps, and nothing else: what most are.

    It is the one that pydantic makes, in a quarter of the time. None where anything else stands in `fields`,
    or anything may be wrong: then pydantic decides, and says what it is.
    """
    sender, to, text = fields.get("sender"), fields.get("to"), fields.get("text")
    if not (type(sender) is type(to) is type(text) is str and text):
        return None
    try:
        own, before, after = _pattern(sender)
        own = own | {"to": number.normalise(to, default_region=default_region), "text": plain(text)}
        if len(fields) > len(_PLAIN):
            for name in fields.keys() - _PLAIN:
                label, longest = fields[name], _LABELS[name]
                if label is not None:
                    if type(label) is not str or not 0 < len(label) <= longest:
                        return None
                    own[name] = plain(label)
    except (KeyError, ValueError):
        return None
    own[WIRE] = wire = before + to_json(text) + after
    return _made(Message, own, set(fields)) if len(wire) <= CONTENT_BYTES else None


_PLAIN = frozenset({"sender", "to", "text"})
_LABELS = {
    "client_reference": LABEL_CHARACTERS,
    "campaign": LABEL_CHARACTERS,
    "idempotency_key": IDEMPOTENCY_KEY_CHARACTERS,
}


@lru_cache(maxsize=256)
def _pattern(sender: str) -> tuple[dict[str, Any], bytes, bytes]:
    """What a plain message from `sender` keeps, and its wire form before and after the text."""
    pattern = Message(sender=sender, to="0031600000000", text="T")
    before, content, after = pattern.wire().partition(b'"content":')
    return pattern.__dict__, before + content, after.removeprefix(b'"T"')


def parse_recipient(to: str, *, opaque: bool, default_region: str | None) -> str:
    """`to` as it goes to CM: unchanged where it is `opaque`, else as `00…`; raises InvalidMessage."""
    if not opaque:
        return number.normalise(to, default_region=default_region)
    if not isinstance(to, str):
        raise InvalidMessage("to", "is not text", ID_RULE)
    return check_id(to, "to")


def _read(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Problem("is not ISO 8601") from None
