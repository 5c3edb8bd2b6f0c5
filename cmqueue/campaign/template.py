"""A text with names in it: `Hi {first_name}`. Mustache (pystache), with { and } for its delimiters.

A name is looked up among the texts of one row, by our own function and nowhere else, so a template can't read
an attribute, call anything or open a file. Beside names there are Mustache's sections:

    {#first_name}Hi {first_name}{/first_name}    only where the row has one
    {^first_name}Hi{/first_name}                 only where it has none
    {=<% %>=}Hi <%first_name%>, {literally}      other delimiters from here on, so that braces are braces

A name that stands in the text needs a value in the row: a gap in a text is found out by its reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from cmqueue.campaign.source import shown
from cmqueue.errors import InvalidMessage

RULE = "names as {first_name}; a text with braces of its own begins with {=<% %>=} and has <%first_name%>"
DELIMITERS = ("{", "}")

# In front of a template it stays the first thing, unless a section was not closed: pystache then forgets all
# that stood before that section. The line break keeps what a first line of tags alone means.
_GUARD = "\x02\n"


class Template:
    """A text to fill in. Raises InvalidMessage where it is none, and where a row lacks a value."""

    def __init__(self, source: str) -> None:
        self._parsed = _parsed(source)
        self.names = frozenset(_names(self._parsed))
        engine = import_module("pystache.renderengine").RenderEngine
        self._engine = engine(
            literal=self._given,
            escape=self._given,
            resolve_context=self._value,
            resolve_partial=_no_partial,
            to_str=str,
        )
        self._name = ""

    def fill(self, values: Mapping[str, str]) -> str:
        """The text for a row; `values` are its texts by name, those of `names` at least."""
        return str(self._parsed.render(self._engine, _Values(values)))

    def _value(self, values: _Values, name: str) -> str:
        self._name = name
        return values.of.get(name, "").strip()

    def _given(self, text: str) -> str:
        """What stands in the text in the place of the name that was looked up last."""
        if not text:
            raise InvalidMessage(shown(self._name), "is empty or missing", "a value in each row")
        return text


class _Values:
    """The texts of a row, as pystache's renderer passes them on."""

    __slots__ = ("of",)

    def __init__(self, of: Mapping[str, str]) -> None:
        self.of = of

    def push(self, value: object) -> None:
        """In Mustache a section opens what its name holds; here that is a text, with no names of its own."""

    def pop(self) -> None:
        """The end of a section."""


def _parsed(source: str) -> Any:
    parse = import_module("pystache.parser").parse
    error = import_module("pystache.parser").ParsingError
    try:
        first = next(iter(_nodes(parse(_GUARD + source, DELIMITERS))), None)
        if not (isinstance(first, str) and first.startswith(_GUARD)):
            raise InvalidMessage("text", "has a section that is not closed", RULE)
        return parse(source, DELIMITERS)
    except (error, IndexError):
        raise InvalidMessage("text", "has a section or a change of delimiters that is wrong", RULE) from None


def _nodes(parsed: Any) -> list[Any]:
    nodes: list[Any] = parsed._parse_tree  # noqa: SLF001 - pystache has no other way to ask what a template names
    return nodes


def _names(parsed: Any) -> Iterator[str]:
    """Every name in a template, those of sections and inside them too."""
    for node in _nodes(parsed):
        if hasattr(node, "indent"):
            _no_partial("")
        name = getattr(node, "key", None)
        if name is not None:
            if not name.strip() or any(character in name for character in "{}\r\n"):
                raise InvalidMessage("text", "has a brace that is no part of a name", RULE)
            yield name
        inner = getattr(node, "parsed", None) or getattr(node, "parsed_section", None)
        if inner is not None:
            yield from _names(inner)


def _no_partial(_name: str) -> str:
    raise InvalidMessage("text", "includes another template", RULE)
