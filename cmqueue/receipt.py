"""What an enqueue answers: a receipt, a refusal, or the account of a broadcast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cmqueue.identity import TAIL


class Receipt(NamedTuple):
    """A message is durably queued. `duplicate` where it already was, by its idempotency key."""

    id: str
    reference: str
    duplicate: bool = False


class Refusal(NamedTuple):
    """One item of many was not enqueued. `position` counts from 0; nothing here shows the item's values."""

    position: int
    field: str
    problem: str
    rule: str


@dataclass(slots=True)
class Broadcast:
    """One content to many recipients, enqueued. Iterates over the receipts of the accepted, in their order.

    It keeps 21 bytes per recipient.
    """

    reference: str
    enqueued: int = 0
    duplicates: int = 0
    refused: list[Refusal] = field(default_factory=list)
    _tails: bytearray = field(default_factory=bytearray, repr=False)
    _new: bytearray = field(default_factory=bytearray, repr=False)  #: of each, a letter: n where it is new

    def add(self, tails: Sequence[str], letters: str) -> None:
        """A chunk of recipients: the ends of their ids, and for each n where it is new."""
        new = letters.count("n")
        self.enqueued += new
        self.duplicates += len(letters) - new
        self._tails += "".join(tails).encode()
        self._new += letters.encode()

    def __len__(self) -> int:
        return len(self._new)

    def __iter__(self) -> Iterator[Receipt]:
        head = self.reference[:6]
        for at, letter in enumerate(self._new):
            tail = self._tails[at * TAIL : (at + 1) * TAIL].decode()
            yield Receipt(head + tail, self.reference, letter != ord("n"))
