"""From CM's JSON to parts: what a caller wrote by hand is checked by the rules of the builders.

Names count in any case. Null counts as absent where a member may be absent, and so does an empty value of the
member's own type ("", [] or {}), since CM's own clients write them. A refusal names the place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, get_args, get_origin

from cmqueue.content import shown
from cmqueue.errors import InvalidMessage
from cmqueue.rich.item import EMPTY, Item
from cmqueue.rich.part import Part, Raw

_FIRST_NAME = re.compile(r"[a-z][a-z_0-9]*")

Members = dict[str, tuple[str, Any]]  #: by their names in lower case: the names as written, the values


class Known(NamedTuple):
    """A member that a part has: its field, and the part that lies in it, or in its list."""

    field: str
    part: type[Part] | None
    listed: bool
    optional: bool
    blank: object  #: what counts as absent beside null: the emptiness of its own type


def read(part: type[Part], document: object, path: str, *, lenient: bool = False) -> Part:
    """`document`, which lies at `path`, as a part; raises InvalidMessage.

    Where `lenient`, members, kinds and words that this release does not know pass, as CM adds some before we
    do: a member is left out, a kind becomes Raw. All limits hold all the same.
    """
    members = _members(document, path)
    kind = part.kind_of(_values(members))
    if kind is None:
        return _unknown(part, document, path, lenient=lenient)
    if kind.told_by and not kind.told_inside:
        members.pop(kind.told_by)
    fields: dict[str, Any] = {}
    beside: Iterable[str] = kind.outside
    for depth, step in enumerate(kind.within):
        if depth and lenient and step.lower() not in members:
            return Raw(members=_object(document, path))  # a template of another channel
        _, inner = members.pop(step.lower(), (step, None))
        _take(kind, members, path, fields, beside, lenient=lenient)
        path, beside = f"{path}.{step}", ()
        if inner is None:
            raise InvalidMessage(path, "is missing", f"an object with {_names(kind, _inside(kind))}")
        members = _members(inner, path)
    if kind.told_inside:
        family, kind = kind, kind.told(_values(members))
        if kind is None:
            return _unknown(family, document, path, lenient=lenient)
        members.pop(kind.told_by)
    _take(kind, members, path, fields, _inside(kind), lenient=lenient)
    try:
        return kind.read(fields, lenient=lenient)
    except InvalidMessage as refusal:
        name = kind.wire_name
        field = _FIRST_NAME.sub(lambda found: name(found[0]), refusal.field, count=1)
        refused = InvalidMessage(f"{path}.{field}", refusal.problem, refusal.rule)
    raise refused


def _take(
    kind: type[Part],
    members: Members,
    path: str,
    fields: dict[str, Any],
    expected: Iterable[str],
    *,
    lenient: bool,
) -> None:
    """Put `members` into `fields`, of which some are `expected` here."""
    known = _known(kind)
    for name, (spelling, value) in members.items():
        member = known.get(name)
        if member is None or member.field not in expected:
            if not lenient and value not in EMPTY:
                rule = f"the members are {_names(kind, expected)}"
                raise InvalidMessage(f"{path}.{shown(spelling)}", "is not a field", rule)
        elif value is not None and not (member.optional and value == member.blank):
            part = member.part
            if part is not None:
                place = f"{path}.{kind.wire_name(member.field)}"
                value = _within(part, value, place, listed=member.listed, lenient=lenient)  # noqa: PLW2901 - read
            fields[member.field] = value


def _within(part: type[Part], value: Any, path: str, *, listed: bool, lenient: bool) -> Any:
    if not listed:
        return read(part, value, path, lenient=lenient)
    if not isinstance(value, list):
        raise InvalidMessage(path, "is not a list", "a list of objects")
    return tuple(read(part, each, f"{path}[{index}]", lenient=lenient) for index, each in enumerate(value))


def _unknown(part: type[Part], document: object, path: str, *, lenient: bool) -> Part:
    if lenient:
        return Raw(members=_object(document, path))
    if part is Item:
        names = ", ".join(kind.known_by for kind in Item.known.values())
        raise InvalidMessage(path, "is of no known kind", f"an object with one of {names}")
    told = part.told_inside or part.told_by in _members(document, path)
    words = ", ".join(kind.kind for kind in part.kinds.values())
    raise InvalidMessage(
        f"{path}.{part.told_by}", "is none of the known values" if told else "is missing", words
    )


def _members(document: object, path: str) -> Members:
    return {name.lower(): (name, value) for name, value in _object(document, path).items()}


def _object(document: object, path: str) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise InvalidMessage(path, "is not an object", "a JSON object")
    return document


def _values(members: Members) -> dict[str, Any]:
    return {name: value for name, (_, value) in members.items()}


@cache
def _inside(kind: type[Part]) -> frozenset[str]:
    """The fields that lie within; all of them where nothing is around."""
    return frozenset(kind.model_fields.keys() - (kind.outside if kind.within else ()))


def _names(kind: type[Part], fields: Iterable[str]) -> str:
    return ", ".join(kind.wire_name(name) for name in kind.model_fields if name in fields)


@cache
def _known(kind: type[Part]) -> dict[str, Known]:
    """The members that a kind has, by their names in lower case."""
    known = {}
    for name, field in kind.model_fields.items():
        part, listed = _part_in(field.annotation)
        many = listed or get_origin(field.annotation) is Sequence
        # CM refuses the whole request for an empty value of another type, such as [] for an object.
        blank: object = [] if many else "" if part is None else {}
        known[kind.wire_name(name).lower()] = Known(name, part, listed, not field.is_required(), blank)
    return known | {other.lower(): known[name] for other, name in kind.spellings.items()}


def _part_in(annotation: Any) -> tuple[type[Part] | None, bool]:
    """The part in a type such as `Sequence[Card]` or `Media | None`, and whether it stands in a list."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation, False
    for inner in get_args(annotation):
        part, listed = _part_in(inner)
        if part is not None:
            return part, listed or get_origin(annotation) is Sequence
    return None, False
