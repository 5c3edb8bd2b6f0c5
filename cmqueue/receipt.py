"""What an enqueue answers: a receipt, a refusal, or the account of a broadcast."""

from __future__ import annotations

from collections.abc import Iterator
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

    def add(self, tail: str, *, duplicate: bool) -> None:
        if duplicate:
            self.duplicates += 1
        else:
            self.enqueued += 1
        self._tails += b"%s%d" % (tail.encode(), duplicate)

    def __len__(self) -> int:
        return len(self._tails) // (TAIL + 1)

    def __iter__(self) -> Iterator[Receipt]:
        head = self.reference[:6]
        for at in range(0, len(self._tails), TAIL + 1):
            tail = self._tails[at : at + TAIL].decode()
            yield Receipt(head + tail, self.reference, self._tails[at + TAIL] == ord("1"))
