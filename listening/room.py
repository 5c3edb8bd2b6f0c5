"""A bounded number of larger requests at once, so that memory stays bounded while they wait."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Self

from listening.turned_down import TurnedDown

#: What a small request takes: the connections bound those.
NO_ROOM: AbstractContextManager[None] = nullcontext()


class Room:
    """Room for so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside = 0

    def __enter__(self) -> Self:
        """Raises TurnedDown (503) where it is full."""
        if self._inside >= self._most:
            raise TurnedDown(503, "Too many requests at once; nothing was queued", retry_after=1)
        self._inside += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inside -= 1
