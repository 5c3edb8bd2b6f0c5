"""Part: what rich content is made of. A frozen value, checked when it is made, that knows CM's JSON for it.

A class says by a few names what its JSON looks like:

    camel         whether CM writes the names of its fields in camelCase, else as they are here
    within        the members that its own fields lie in: `{"template": {"whatsapp": {…}}}`
    outside       its fields that lie beside that
    told_by       the member that tells the kinds of a family apart, such as `type`
    told_inside   whether that member lies within, else beside
    kind          what it says for this kind
    spellings     other names of a field that CM's own clients use
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self, get_args

from pydantic import ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema, to_json

from cmqueue.content import Checked, Problem, json_copy
from cmqueue.errors import InvalidMessage
from cmqueue.rich.value import LENIENT, Rule


def _rule(annotation: Any) -> str | None:
    """The rule that stands inside a type, such as `Annotated[str, Characters(25)] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Checked):
        return f"a {annotation.__name__}"
    for inner in getattr(annotation, "__metadata__", ()):
        if isinstance(inner, Rule):
            return inner.rule
    found = (_rule(inner) for inner in get_args(annotation))
    return next((rule for rule in found if rule), None)


class Part(Checked):
    """A part of rich content. Raises InvalidMessage, its field named as here."""

    # There are fifty kinds, and a content has three: the others' validators need not be built.
    model_config = ConfigDict(defer_build=True)

    camel: ClassVar[bool] = True
    within: ClassVar[tuple[str, ...]] = ()
    outside: ClassVar[frozenset[str]] = frozenset()
    told_by: ClassVar[str] = ""
    told_inside: ClassVar[bool] = False
    kind: ClassVar[str] = ""
    kinds: ClassVar[dict[str, type[Part]]] = {}
    spellings: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__dict__.get("told_by"):
            cls.kinds = {}
        if cls.__dict__.get("kind"):
            cls.kinds[cls.kind.lower()] = cls

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        for field in cls.model_fields.values():
            rules = [each.rule for each in field.metadata if isinstance(each, Rule)]
            field.description = rules[0] if rules else _rule(field.annotation)

    @classmethod
    def wire_name(cls, field: str) -> str:
        """The name of a field in CM's JSON."""
        first, *others = field.split("_")
        return first + "".join(map(str.capitalize, others)) if cls.camel else field

    @classmethod
    def kind_of(cls, members: Mapping[str, Any]) -> type[Part] | None:
        """The class for a JSON object with these members (names in lower case); None where it is unknown."""
        return cls if cls.told_inside else cls.told(members)

    @classmethod
    def told(cls, members: Mapping[str, Any]) -> type[Part] | None:
        """The kind that `members` say they are; None where it is unknown."""
        if not cls.told_by:
            return cls
        word = members.get(cls.told_by)
        return cls.kinds.get(word.lower()) if isinstance(word, str) else None

    @classmethod
    def read(cls, fields: Mapping[str, Any], *, lenient: bool) -> Self:
        """As calling the class; where `lenient`, words that this release does not know pass."""
        made = cls.__new__(cls)
        cls._fill(made, fields, context=LENIENT if lenient else None)
        return made

    def document(self) -> dict[str, Any]:
        """This part in CM's JSON. What is not set is left out."""
        told = {self.told_by: self.kind} if self.told_by else {}
        inner: dict[str, Any] = told if self.told_inside else {}
        outer: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is not None and value != ():
                (outer if name in self.outside else inner)[self.wire_name(name)] = _json(value)
        for step in reversed(self.within):
            inner = {step: inner}
        return inner | outer if self.told_inside else told | inner | outer

    @classmethod
    def _refusal(cls, error: ValidationError) -> InvalidMessage:
        first = error.errors(include_url=False, include_input=False)[0]
        cause = first.get("ctx", {}).get("error")
        if not isinstance(cause, InvalidMessage):
            return super()._refusal(error)
        # From a part inside, which knows its own field alone, or from a check of this one.
        place = ".".join(map(str, first["loc"]))
        joint = "." if place and not cause.field.startswith("[") else ""
        return InvalidMessage(f"{place}{joint}{cause.field}", cause.problem, cause.rule)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """The names of what is set: a repr ends up in logs."""
        return [(None, name) for name in type(self).model_fields if getattr(self, name) not in (None, ())]


class Raw(Part):
    """Any JSON object as an item, suggestion, component, parameter or button; sent as it is given.

    For what CM has and this release lacks.
    """

    members: Mapping[str, Any]

    def __init__(self, /, members: Mapping[str, Any]) -> None:
        if not isinstance(members, Mapping):
            raise InvalidMessage("members", "is not an object", "a mapping of names to what JSON can say")
        self._fill({"members": json_copy(members, "members")})

    def document(self) -> dict[str, Any]:
        copy: dict[str, Any] = json_copy(self.members, "members")
        return copy

    def __hash__(self) -> int:
        return hash(to_json(self.members))


@dataclass(frozen=True, slots=True)
class Members(Rule):
    """A list of `least` to `most` of what stands in the type, such as `Sequence[Card]`; kept as a tuple."""

    most: int | None = None
    least: int = 0

    @property
    def rule(self) -> str:
        if self.most is None:
            return "a list" if not self.least else f"a list of at least {self.least}"
        return f"a list of {self.least} to {self.most}" if self.least else f"a list of at most {self.most}"

    def __get_pydantic_core_schema__(self, source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        (element,) = get_args(source)
        return core_schema.no_info_plain_validator_function(
            partial(self._listed, get_args(element) or (element,))
        )

    def _listed(self, kinds: tuple[type, ...], value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise Problem("is not a list")
        if self.most is not None and len(value) > self.most:
            raise Problem(f"has {len(value)} members")
        if len(value) < self.least:
            raise Problem(f"has {len(value)} members" if value else "is empty")
        for index, member in enumerate(value):
            if not isinstance(member, kinds):
                raise InvalidMessage(f"[{index}]", "has a wrong type", f"a {kinds[0].__name__}")
        return tuple(value)


def _json(value: Any) -> Any:
    if isinstance(value, Part):
        return value.document()
    return [_json(member) for member in value] if isinstance(value, tuple) else value
