"""The newest messages in full. Older ones leave it; their counts stay in the ledger."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from sandbox.course import Timeline
from sandbox.numbers import normalised
from sandbox.request import Msg


class Entry(NamedTuple):
    """One message taken. `id` rises by one with each; `received_at` is seconds since 1970."""

    id: int
    request: int
    received_at: float
    number: str
    parts: int
    message: Msg
    timeline: Timeline = ()  #: what becomes of it, when anybody wants to know


class Inbox:
    """Keeps at most `size` messages, the newest."""

    def __init__(self, size: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self._last = 0

    def __len__(self) -> int:
        return len(self._entries)

    def reset(self) -> None:
        self._entries.clear()

    def add(
        self,
        message: Msg,
        number: str,
        parts: int,
        *,
        request: int,
        received_at: float,
        timeline: Timeline = (),
    ) -> None:
        self._last += 1
        self._entries.append(
            Entry(self._last, request, received_at, normalised(number), parts, message, timeline)
        )

    def get(self, id: int) -> Entry | None:
        """The message of that id, while it is kept."""
        return next((entry for entry in reversed(self._entries) if entry.id == id), None)

    def newest_first(self) -> Iterator[Entry]:
        return reversed(self._entries)

    def find(
        self, *, reference: str | None, number: str | None, after: int | None, limit: int
    ) -> list[Entry]:
        """Matching entries, the oldest first: those following id `after`, or without it the newest ones."""
        wanted = None if number is None else normalised(number)

        def fits(entry: Entry) -> bool:
            return (reference is None or entry.message.reference == reference) and (
                wanted is None or entry.number == wanted
            )

        found: list[Entry] = []
        for entry in self._entries if after is not None else reversed(self._entries):
            if len(found) >= limit:
                break
            if fits(entry) and (after is None or entry.id > after):
                found.append(entry)
        return found if after is not None else found[::-1]
