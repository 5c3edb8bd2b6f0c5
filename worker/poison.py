"""Poison: a message with which CM refuses the whole request, and the search for it. Pure.

A refused batch is halved, and each half posted, the first half first, until those at fault stand alone:
that takes at most 2·k·⌈log2 n⌉ + 1 requests for k culprits among n messages. Where there are too many, the
fault is not theirs but ours or CM's, and going on would bury the whole lane.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

MOST_CULPRITS = 8  #: in one batch; one more stops the lane
MOST_BATCHES = 3  #: of a lane, one after another with a culprit in each: the last stops it
NOTE_LENGTH = 200

Part = TypeVar("Part")


class Step(Enum):
    """What to do with a batch whose request was refused as a whole."""

    SPLIT = "split"  #: post its halves
    BURY = "bury"  #: it is one message: dead
    STOP = "stop"  #: the same, and its lane stops


def after_refusal(size: int, *, culprits: int, streak: int) -> Step:
    """What follows the refusal of a request of `size` messages.

    `culprits` were found before in the same root batch. `streak` of the lane's root batches, up to the one
    before this, had culprits without a clean one between them.
    """
    if size > 1:
        return Step.SPLIT
    return Step.STOP if culprits >= MOST_CULPRITS or streak + 1 >= MOST_BATCHES else Step.BURY


@dataclass(slots=True)
class Hunt(Generic[Part]):
    """The way through one root batch. Iterating gives what to post next, in the batch's order."""

    parts: list[Part]  #: still to be posted, the next one last
    culprits: int = 0
    over: str = ""  #: why `parts` are not posted any more

    def __iter__(self) -> Iterator[Part]:
        while self.parts and not self.over:
            yield self.parts.pop()

    def halved(self, first: Part, second: Part) -> None:
        """The part last given was refused; these are its halves."""
        self.parts += (second, first)

    @property
    def clean(self) -> bool:
        """Whether the last part is out and nothing was found."""
        return not (self.parts or self.culprits or self.over)


# The token is a GUID, with hyphens or without; anything else of five digits may be a number, however written.
_SECRET = re.compile(
    r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|\+?\d(?:[ .()/-]{0,2}\d){4,}", re.IGNORECASE
)


def note(said: str, number: str) -> str:
    """CM's words `said` on the message to `number`, fit to be kept: at most 200 characters, and among them no
    number, no token and no control character.
    """
    words = " ".join("".join(char if char.isprintable() else " " for char in said).split())
    if len(number) > 4:  # an opaque one too; a shorter one would stand in any text
        words = words.replace(number, "…")
    return _SECRET.sub("…", words)[:NOTE_LENGTH]
