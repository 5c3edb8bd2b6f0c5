"""One JSON object inside rich content: its values by name and type, and what is wrong with them.

Names are read in any case, `null` counts as absent. A value of a wrong type raises Unreadable (202). A wrong
value is noted, and reading goes on, so that a wrong type behind it is still found.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from sandbox.request import MALFORMED, Unreadable

_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s]+", re.IGNORECASE)
_WEB_URL = re.compile(r"https?://[^\s/]+(/[^\s]*)?", re.IGNORECASE)
_DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]+)?")


class Node:
    """A JSON object at `path`. `faults` is one list for the whole document."""

    def __init__(self, value: object, path: str, faults: list[str]) -> None:
        if not isinstance(value, dict):
            raise Unreadable(MALFORMED, f"{path}: an object is expected")
        self._fields: dict[str, Any] = {name.lower(): item for name, item in value.items()}
        self._faults = faults
        self.path = path

    def refuse(self, problem: str, name: str = "") -> None:
        """Note that the value called `name`, or this object, is at fault."""
        self._faults.append(f"{self._at(name) if name else self.path} {problem}")

    def has(self, *names: str) -> bool:
        """Whether there is any of these."""
        return any(self._fields.get(name.lower()) is not None for name in names)

    @property
    def empty(self) -> bool:
        """Whether nothing is in it."""
        return not any(value is not None for value in self._fields.values())

    def has_items(self, name: str) -> bool:
        """Whether the array called `name` has any."""
        return bool(self._fields.get(name.lower()))

    def need(self, *names: str) -> None:
        """All of these have to be there."""
        for name in names:
            if not self.has(name):
                self.refuse("is missing", name)

    def text(self, name: str, *, most: int | None = None, needed: bool = False) -> str:
        """A text of at most so many characters; "" when absent. `needed`: it must not be empty."""
        value: str = self._of_type(name, str, "a text") or ""
        if needed and not value:
            self.refuse("is missing or empty", name)
        if most is not None and len(value) > most:
            self.refuse(f"is longer than {most} characters", name)
        return value

    def choice(self, name: str, choices: Collection[str], *, needed: bool = False) -> str:
        """One of `choices`, which are in lower case; "" when absent. CM's SDKs disagree about the case."""
        value = self.text(name, needed=needed)
        if value and value.lower() not in choices:
            self.refuse(f"is none of {', '.join(sorted(choices))}", name)
        return value.lower()

    def match(self, name: str, pattern: re.Pattern[str], says: str, *, needed: bool = False) -> str:
        """A text of a given form."""
        value = self.text(name, needed=needed)
        if value and not pattern.fullmatch(value):
            self.refuse(f"is not {says}", name)
        return value

    def url(self, name: str) -> None:
        """An address with its scheme, which must be there."""
        self.match(name, _URL, "a URL", needed=True)

    def web_url(self, name: str) -> None:
        """An address that CM can fetch a file from, which must be there."""
        self.match(name, _WEB_URL, "an http or https URL", needed=True)

    def whole(self, name: str) -> int | None:
        """A whole number."""
        value = self._of_type(name, int, "a whole number")
        return None if value is None else int(value)

    def number(self, name: str) -> float | None:
        """A number."""
        value = self._of_type(name, (int, float), "a number")
        return None if value is None else float(value)

    def coordinate(self, name: str, limit: int) -> None:
        """Degrees between -limit and limit, which must be there: a number, or a text that holds one."""
        value = self._fields.get(name.lower())
        if isinstance(value, str):
            degrees = float(value) if _DEGREES.fullmatch(value) else None
        else:
            degrees = self.number(name)
        if degrees is None or not -limit <= degrees <= limit:
            self.refuse(f"is not a number from -{limit} to {limit}", name)

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value: object = self._fields.get(name.lower())
        if value is not None and not isinstance(value, bool):
            raise Unreadable(MALFORMED, f"{self._at(name)}: true or false is expected")
        return value

    def node(self, name: str, *, needed: bool = False) -> Node | None:
        """The object called `name`."""
        value = self._fields.get(name.lower())
        if value is None:
            if needed:
                self.refuse("is missing", name)
            return None
        return Node(value, self._at(name), self._faults)

    def nodes(self, name: str, *, least: int = 0, most: int | None = None) -> list[Node]:
        """The objects in the array called `name`, between so many; none when it is absent."""
        value: list[object] = self._of_type(name, list, "an array") or []
        if len(value) < least:
            self.refuse(f"has {len(value)} items, at least {least} are needed", name)
        if most is not None and len(value) > most:
            self.refuse(f"has {len(value)} items, at most {most} are allowed", name)
        return [Node(item, f"{self._at(name)}[{index}]", self._faults) for index, item in enumerate(value)]

    def _of_type(self, name: str, kind: type | tuple[type, ...], says: str) -> Any:
        value = self._fields.get(name.lower())
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise Unreadable(MALFORMED, f"{self._at(name)}: {says} is expected")
        return value

    def _at(self, name: str) -> str:
        return f"{self.path}.{name}"
