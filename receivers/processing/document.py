"""The forms that CM writes: JSON, XML, and the query string of old. Bytes from outside: anything may come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element, ParseError

import orjson
from defusedxml.ElementTree import fromstring

from receivers.processing.unreadable import Unreadable, Why

DEEPEST = 64  #: objects and arrays in each other; CM's own go to about 8
MOST_FIELDS = 100  #: of a query string
LONGEST_CODE = 5  #: digits

_BOM = b"\xef\xbb\xbf"  # no JSON, but some servers of Microsoft's kind write one
Fields = Mapping[str, Any]  #: an object whose keys are casefolded ("JSON keys are case insensitive")


def from_json(body: bytes) -> Any:
    """The value of `body`, or Unreadable."""
    try:
        found = orjson.loads(body.removeprefix(_BOM))
    except orjson.JSONDecodeError:
        return Unreadable(Why.NOT_JSON)
    return (
        Unreadable(Why.TOO_DEEP) if body.count(b"[") + body.count(b"{") > DEEPEST and _deep(found) else found
    )


def from_xml(body: bytes) -> Element | Unreadable:
    """The root of `body`. A document type or an entity makes it unreadable."""
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (
        ParseError,
        ValueError,
        LookupError,
    ):  # defusedxml's own are ValueErrors; an encoding nobody knows
        return Unreadable(Why.NOT_XML)
    return root


def from_query(body: bytes) -> Fields | Unreadable:
    """The parameters, by name; of several with one name the last."""
    try:
        pairs = parse_qsl(
            body.decode("latin-1"), keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS
        )
    except ValueError:
        return Unreadable(Why.NOT_A_QUERY)
    return {name.casefold(): value for name, value in pairs}


def fields(value: object) -> Fields:
    """An object with its keys casefolded; empty for what is no object."""
    return {key.casefold(): kept for key, kept in value.items()} if type(value) is dict else {}


def named(element: Element, name: str) -> Iterator[Element]:
    """The children called `name` in any case and any namespace."""
    return (child for child in element if local_name(child) == name)


def local_name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2].casefold()


def text(value: object) -> str:
    """A string, or a number as one; nothing else is text."""
    if type(value) is str:
        return value.strip()
    return str(value) if type(value) is int else ""


def code(value: object) -> int | None:
    """A code, as a number or written as one; None for anything else."""
    spelled = text(value)
    return int(spelled) if spelled.isascii() and spelled.isdigit() and len(spelled) <= LONGEST_CODE else None


def _deep(found: Any) -> bool:
    level = [found]
    for _ in range(DEEPEST):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True
