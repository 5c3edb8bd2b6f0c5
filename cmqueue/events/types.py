"""Types of events that somebody asks for, by name or by pattern: `message.delivered`, `message.*`, `*`."""

from __future__ import annotations

from collections.abc import Iterable

from cmqueue.events.event import TYPES

ALL = frozenset(TYPES)


def types_of(patterns: Iterable[str]) -> frozenset[str]:
    """All types that `patterns` name. Raises ValueError for one that names none."""
    found: set[str] = set()
    for pattern in patterns:
        named = {type for type in TYPES if _names(pattern, type)}
        if not named:
            raise ValueError(f"no event is called {pattern[:40]!r}; there are {', '.join(TYPES)}")
        found |= named
    return frozenset(found)


def _names(pattern: str, type: str) -> bool:
    if pattern.endswith(".*"):
        return type.startswith(pattern[:-1])
    return pattern in ("*", type)
