"""Two things at once: Redis writes a chunk while the next one is prepared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

from cmqueue.errors import OutboxUnavailable

P = TypeVar("P")
W = TypeVar("W")


def overlapped(
    prepare: Callable[[], P | None], write: Callable[[P], Callable[[], W]]
) -> Iterator[tuple[P, W]]:
    """Each prepared chunk with what writing it gave; Redis writes a chunk while the next one is prepared."""
    prepared = prepare()
    while prepared is not None:
        written = write(prepared)
        try:
            following = prepare()
        except Exception:
            yield prepared, written()  # it is queued, and its caller must not hear otherwise
            raise
        except BaseException:
            with suppress(OutboxUnavailable):
                written()
            raise
        yield prepared, written()
        prepared = following
