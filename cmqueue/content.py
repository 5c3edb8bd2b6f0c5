"""Content: what is sent. Checked once, here at the edge; from here on it travels as the bytes CM gets."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import to_json

from cmqueue.channel import Channel, may_use_sms
from cmqueue.errors import InvalidMessage
from cmqueue.sender import SMS_RULE, check_sender
from cmqueue.validity import RULE as VALIDITY_RULE
from cmqueue.validity import deadline

CONTENT_BYTES = 256 * 1024  #: of JSON in UTF-8, the most that one content may take
GROUPING_CHARACTERS = 100
MOST_PARTS = 255  #: that an SMS can have; CM advises 8 at most
JSON_DEPTH = 32  #: objects and arrays inside each other
JSON_INTEGER = 2**63  #: smaller than this, either way: what every reader of JSON can hold

WIRE = "_wire"  #: where a model keeps its wire form, beside its fields
_GROUPING_KEYS = ("customGrouping", "customGrouping2", "customGrouping3")
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z_]{0,39}[0-9]?")
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class Problem(ValueError):
    """What is wrong with one value. The field that it stands in adds its name and its rule."""


class Checked(BaseModel):
    """A frozen value that raises InvalidMessage, never pydantic's error: that one carries the input along.

    The description of a field is its rule.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __init__(self, /, **fields: Any) -> None:
        self._fill(fields)

    def _fill(self, fields: Mapping[Any, Any], *, context: str | None = None) -> None:
        try:
            self.__pydantic_validator__.validate_python(fields, self_instance=self, context=context)
        except ValidationError as error:
            refusal = self._refusal(error)
        else:
            return
        # Raised out here, the new error has no link to pydantic's and to the input in it.
        raise refusal

    @classmethod
    def of_mapping(cls, fields: Mapping[Any, Any], *, default_region: str | None = None) -> Self:
        """As calling the class with `fields`; `default_region` is for national numbers among them."""
        made = cls.__new__(cls)
        cls._fill(made, dict(fields), context=default_region)
        return made

    @classmethod
    def _refusal(cls, error: ValidationError) -> InvalidMessage:
        first = error.errors(include_url=False, include_input=False)[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, InvalidMessage):
            return InvalidMessage(cause.field, cause.problem, cause.rule)
        name, *inner = first["loc"] or ("message",)
        field = cls.model_fields.get(str(name))
        rule = (field and field.description) or f"the fields are {', '.join(sorted(cls.model_fields))}"
        problem = (
            str(cause) if isinstance(cause, Problem) else _PROBLEMS.get(first["type"], "has a wrong type")
        )
        own = str(name) if field is not None else shown(name)
        return InvalidMessage("".join((own, *map(_step, inner))), problem, rule)

    @classmethod
    def model_validate(cls, obj: Any, **_options: Any) -> Self:
        """As calling the class; pydantic's own would raise its own error."""
        if not isinstance(obj, Mapping):
            raise InvalidMessage("message", "is not an object", "a mapping of field names to values")
        return cls.of_mapping(obj)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:  # noqa: ARG002 - pydantic's signature; a copy is always deep
        """A changed copy, checked like any other."""
        return type(self)(
            **{name: getattr(self, name) for name in type(self).model_fields} | dict(update or {})
        )


_PROBLEMS = {
    "missing": "is missing",
    "extra_forbidden": "is not a field",
    "invalid_key": "is not a field",
    "string_type": "is not text",
    "string_unicode": "is not Unicode text",
    "string_too_short": "is empty",
    "string_too_long": "is too long",
    "too_long": "has too many members",
    "enum": "is none of the known values",
    "literal_error": "is none of the known values",
    "int_type": "is not a whole number",
    "tuple_type": "is not a list",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
}


class Documented(Protocol):
    """What a `cmqueue.rich.RichContent` is to a content, which does not import it until there is one."""

    def document(self) -> dict[str, Any]: ...


def plain(text: str) -> str:
    """`text`, unchanged; raises Problem for the character NUL and for half a surrogate pair."""
    if "\0" in text:
        raise Problem("has the character NUL")
    # Without an exception of Python's own, which would carry the whole text along.
    if not text.isascii() and len(text.encode(errors="ignore")) != len(text.encode(errors="surrogatepass")):
        raise Problem("has half a surrogate pair, which is not Unicode text")
    return text


def json_copy(value: object, path: str, depth: int = JSON_DEPTH) -> Any:
    """A deep copy of `value`, which must be what JSON can say; raises InvalidMessage naming the place."""
    match value:
        case None | bool():
            return value
        case str():
            return _plain_at(value, path)
        case int() if -JSON_INTEGER < value < JSON_INTEGER:
            return value
        case float() if math.isfinite(value):
            return value
        case Mapping() | list() | tuple() if not depth:
            raise InvalidMessage(path, "is nested too deeply", f"at most {JSON_DEPTH} levels")
        case Mapping():
            return {
                _plain_at(key, path): json_copy(member, f"{path}.{shown(key)}", depth - 1)
                for key, member in value.items()
            }
        case list() | tuple():
            return [json_copy(member, f"{path}[{index}]", depth - 1) for index, member in enumerate(value)]
    raise InvalidMessage(
        path,
        "is nothing that JSON can say",
        "objects with text as keys, arrays, text, true, false, null, finite numbers, integers of 64 bits",
    )


def json_object(value: object, field: str) -> dict[str, Any]:
    """A deep copy of `value`, a JSON object with at least one member; raises InvalidMessage or Problem."""
    if not isinstance(value, Mapping):
        raise Problem("is not an object")
    if not value:
        raise Problem("is empty")
    return cast("dict[str, Any]", json_copy(value, field))


def _plain_at(text: object, path: str) -> str:
    if not isinstance(text, str):
        raise InvalidMessage(path, "has a key that is not text", "the keys of a JSON object are text")
    try:
        return plain(text)
    except Problem as problem:
        raise InvalidMessage(path, str(problem), "text that UTF-8 can carry, without NUL") from None


def shown(name: object) -> str:
    """A caller's key as an error may show it: only what looks like the name of a field."""
    return name if isinstance(name, str) and _FIELD_NAME.fullmatch(name) else "(some key)"


def _step(step: object) -> str:
    return f"[{step}]" if isinstance(step, int) else f".{shown(step)}"


def _in_order(members: object) -> object:
    # The order of a set differs between processes, and would give one content two digests.
    return sorted(members, key=str) if isinstance(members, set | frozenset) else members


def _guid(text: str) -> str:
    if not _GUID.fullmatch(text):
        raise Problem("is not a GUID")
    return text


def _distinct(channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    return tuple(dict.fromkeys(channels))


Text = Annotated[str, AfterValidator(plain)]
Grouping = Annotated[str, Field(max_length=GROUPING_CHARACTERS), AfterValidator(plain)]
Parts = Annotated[int, Field(strict=True, ge=1, le=MOST_PARTS)]


class ContentFields(Checked):
    """What a message and a content have in common."""

    # First, because the rules for sender and recipient depend on them.
    channels: Annotated[tuple[Channel, ...], BeforeValidator(_in_order), AfterValidator(_distinct)] = Field(
        default=(), description=f"a list of {', '.join(Channel)}; none means any that the account has"
    )
    sender: str = Field(description=f"SMS: {SMS_RULE}")
    text: Text | None = Field(
        default=None,
        description="text that UTF-8 can carry, without NUL; not empty, unless there is rich content",
    )
    unknown_fields: Literal["refuse", "pass"] = Field(default="refuse", description="refuse or pass")
    rich_content: dict[str, Any] | Documented | None = Field(
        default=None,
        description="a RichContent, or a JSON object, CM's `richContent`: conversation, suggestions",
    )
    min_parts: Parts = Field(
        default=1, description=f"a whole number from 1 to max_parts, at most {MOST_PARTS}"
    )
    max_parts: Parts = Field(default=8, description=f"a whole number from min_parts to {MOST_PARTS}")
    encoding: Literal["auto", "text", "binary"] = Field(default="auto", description="auto, text or binary")
    dcs: Annotated[int, Field(strict=True, ge=0, le=255)] | None = Field(
        default=None, description="a whole number from 0 to 255: GSM 7-bit is 0, UCS-2 is 8"
    )
    validity: str | datetime | None = Field(default=None, description=VALIDITY_RULE)
    custom_groupings: Annotated[tuple[Grouping, ...], BeforeValidator(_in_order)] = Field(
        default=(),
        max_length=len(_GROUPING_KEYS),
        description=f"a list of at most 3 texts of at most {GROUPING_CHARACTERS} characters",
    )
    app_key: Annotated[str, AfterValidator(_guid)] | None = Field(
        default=None, description="a GUID with its hyphens"
    )

    @field_validator("sender")
    @classmethod
    def _known_sender(cls, sender: str, info: ValidationInfo) -> str:
        return check_sender(sender, sms=may_use_sms(info.data.get("channels", ())))

    @field_validator("rich_content", mode="plain")
    @classmethod
    def _rich(cls, value: object, info: ValidationInfo) -> dict[str, Any] | None:
        if value is None:
            return None
        # Late: a web app that sends text alone shall not wait for it.
        from cmqueue.rich.rich_content import checked  # noqa: PLC0415

        lenient = info.data.get("unknown_fields") == "pass"
        return checked(value, info.data.get("channels", ()), lenient=lenient)

    @field_validator("validity", mode="plain")
    @classmethod
    def _valid_until(cls, value: Any) -> str | datetime | None:
        if value is not None:
            deadline(value, due=0)
        return cast("str | datetime | None", value)

    @model_validator(mode="after")
    def _encoded(self) -> Self:
        if not self.text and not any(cast("dict[str, Any]", self.rich_content or {}).values()):
            raise InvalidMessage("text", "is missing or empty", "a content has text, rich content or both")
        if self.min_parts > self.max_parts:
            raise InvalidMessage("min_parts", "is larger than max_parts", "at most max_parts")
        wire = to_json(self._msg())
        if len(wire) > CONTENT_BYTES:
            raise InvalidMessage(
                "text" if self.rich_content is None else "rich_content",
                f"makes the content {len(wire)} bytes of JSON",
                f"at most {CONTENT_BYTES} bytes",
            )
        # Kept: what was checked is what is sent, whatever happens to a dict of this model later.
        self.__dict__[WIRE] = wire
        return self

    def _msg(self) -> dict[str, Any]:
        msg: dict[str, Any] = {
            "from": self.sender,
            "body": {"type": self.encoding, "content": self.text or ""},
        }
        if may_use_sms(self.channels):
            # Always both: a gateway that is told neither makes one part ("sms" page).
            msg["minimumNumberOfMessageParts"] = self.min_parts
            msg["maximumNumberOfMessageParts"] = self.max_parts
        if self.dcs is not None:
            msg["dcs"] = self.dcs
        if self.channels:
            msg["allowedChannels"] = self.channels
        if self.rich_content is not None:
            msg["richContent"] = self.rich_content
        if self.custom_groupings:
            keyed = zip(_GROUPING_KEYS, self.custom_groupings, strict=False)
            msg |= {key: grouping for key, grouping in keyed if grouping}
        if self.app_key is not None:
            msg["appKey"] = self.app_key
        return msg

    def wire(self) -> bytes:
        """CM's `msg` without `to`, `reference` and `validity`: a JSON object in UTF-8, compact, never empty.

        Equal contents give equal bytes, so a digest can name one; `{"to":…,` can stand before `wire()[1:]`.
        """
        return cast("bytes", self.__dict__[WIRE])

    def __hash__(self) -> int:
        return hash((self.sender, self.text))

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Sizes and kinds alone: a repr ends up in logs."""
        return [
            ("channels", [channel.value for channel in self.channels]),
            ("characters", len(self.text or "")),
            ("rich", self.rich_content is not None),
            ("bytes", len(self.wire())),
        ]


class Content(ContentFields):
    """One thing to send, to anybody. Raises InvalidMessage.

    sender            SMS: at most 11 letters, digits, inner spaces and dots, or 16 digits; else an id
    text              the SMS, and what channels without rich content show
    rich_content      a `cmqueue.rich.RichContent`, or a mapping: CM's `richContent`, sent as given
    unknown_fields    "pass" for what CM takes in `richContent` and this release does not know; not sent
    channels          CM's `allowedChannels`, by name or `Channel`; none means any that the account has
    min_parts …       parts of a long SMS, 1 to 8 by default; not sent where SMS is not among the channels
    encoding, dcs     CM's `body.type` and `dcs`
    validity          until when CM may deliver it; in any of CM's forms, or an aware datetime
    custom_groupings  up to three, an empty one is left out
    app_key           CM's hybrid app key

    Frozen, hashable; `rich_content` is a copy, and changing it changes neither `wire()` nor what is sent.
    """
