"""What was taken, counted: every (reference, number) until reset, so that a test can prove its own sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sandbox.gateway import Row
from sandbox.numbers import normalised

Pair = tuple[str | None, str]


class Ledger:
    """Counts. `with_pairs=False` counts messages and requests only, and holds no memory for each.

    `with_arrivals` remembers when each (reference, number) first came, to measure how long it took.
    """

    def __init__(self, *, with_pairs: bool = True, with_arrivals: bool = False) -> None:
        self._with_pairs = with_pairs
        self._with_arrivals = with_arrivals
        self.reset()

    def reset(self) -> None:
        self.requests = 0  #: POSTs to the gateway, however they ended
        self.refused = 0  #: of these, refused as a whole: nothing taken
        self.faulted = 0  #: of these, met by an ordered fault
        self.messages = 0  #: messages taken, repeated ones included
        self.rejected = 0  #: recipients rejected one by one
        self.pairs: Counter[Pair] = Counter()
        self.fill: Counter[int] = Counter()
        self.arrivals: dict[Pair, float] = {}  #: seconds since 1970

    def take(self, accepted: list[Row], *, recipients: int, at: float) -> None:
        """Count the `accepted` rows of a request of so many `recipients`, taken `at` seconds since 1970."""
        self.messages += len(accepted)
        self.rejected += recipients - len(accepted)
        self.fill[recipients] += 1
        if self._with_pairs:
            self.pairs.update([(row["reference"], normalised(row["to"])) for row in accepted])

        if self._with_arrivals:
            for row in accepted:
                self.arrivals.setdefault((row["reference"], normalised(row["to"])), at)

    def times(self, reference: str | None, number: str) -> int | None:
        """How often this message was taken; None when pairs are not counted."""
        if not self._with_pairs:
            return None
        return self.pairs[reference, normalised(number)]

    def duplicates(self) -> Iterable[tuple[Pair, int]]:
        """The pairs taken more than once, the most frequent first."""
        return ((pair, times) for pair, times in self.pairs.most_common() if times > 1)

    def counts(self) -> dict[str, Any]:
        """All sums. `fill` maps recipients of a request to the number of such requests.

        `unique` and `duplicates` (repeats: `messages` - `unique`) are null when pairs are not counted.
        """
        unique = len(self.pairs) if self._with_pairs else None
        return {
            "requests": self.requests,
            "refused": self.refused,
            "faulted": self.faulted,
            "messages": self.messages,
            "rejected": self.rejected,
            "unique": unique,
            "duplicates": None if unique is None else self.messages - unique,
            "largest": max(self.fill, default=0),
            "fill": {str(size): times for size, times in sorted(self.fill.items())},
        }

    def dump(self) -> bytes:
        """A line for each pair: reference (empty when none was sent), number, times; tabs between."""
        return "".join(
            f"{reference or ''}\t{number}\t{times}\n" for (reference, number), times in self.pairs.items()
        ).encode()

    def dump_arrivals(self) -> bytes:
        """A line for each pair: reference (empty when none was sent), number, seconds; tabs between."""
        return "".join(
            f"{reference or ''}\t{number}\t{at:.6f}\n" for (reference, number), at in self.arrivals.items()
        ).encode()
