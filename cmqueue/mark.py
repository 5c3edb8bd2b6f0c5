"""A mark: what came of saying that a batch is about to be posted."""

from __future__ import annotations

from typing import NamedTuple


class Marked(NamedTuple):
    """`left` messages are still in the batch, None where it was reclaimed. The keys that left it ended.

    `unscreened`: nothing was marked, for there is a suppression list that it was not held against.
    """

    left: int | None
    expired: list[str] = []  # noqa: RUF012 - never changed
    suppressed: list[tuple[str, str]] = []  # noqa: RUF012 - key and letter of why (cmqueue/suppression.py)
    unscreened: bool = False
