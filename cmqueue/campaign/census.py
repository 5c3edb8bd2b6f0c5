"""The numbers of a file, counted: which come twice, which country each is of, which no plan knows.

16 bytes are kept of each, twice that where texts differ. Whether a number can exist `phonenumbers` is asked,
too slowly to be asked of every one: of a large file that is a sample, drawn evenly from all of it.
"""

from __future__ import annotations

import math
import random
from array import array
from collections import Counter, defaultdict
from importlib import import_module
from typing import Any, NamedTuple

SAMPLE = 5_000

_FEWEST_SLOTS = 1024
_64_BITS = (1 << 64) - 1
_MOST_LINES = 5


class Country(NamedTuple):
    """How many numbers a calling code has. `regions` are ISO 3166 codes, the largest first."""

    code: int | None
    regions: tuple[str, ...]
    numbers: int


class Doubt(NamedTuple):
    """Numbers of the sample that will hardly be reached, why, and the first lines of such."""

    problem: str
    numbers: int
    lines: list[int]


class Census:
    """Takes each number as it goes to CM, `00` and digits; or, where they are `opaque`, ids of a channel."""

    def __init__(self, *, opaque: bool) -> None:
        self._opaque = opaque
        self._numbers = Seen()
        self._texts = Seen()
        self._prefixes: defaultdict[str, int] = defaultdict(int)
        self._sample = Sample(SAMPLE)
        self._count = 0

    def add(self, number: str, line: int) -> bool:
        """Whether the number is new; one that came before is not counted again."""
        if not self._numbers.add(hash(number)):
            return False
        if not self._opaque:
            self._count = count = self._count + 1
            self._prefixes[number[2:5]] += 1
            if count == self._sample.wants:
                self._sample.take((number, line))
        return True

    def give(self, number: str, text: str) -> None:
        """Remember that the number gets this text."""
        self._texts.add(hash((number, text)))

    def gives(self, number: str, text: str) -> bool:
        """Whether this is the text that it gets."""
        return hash((number, text)) in self._texts

    def countries(self) -> list[Country]:
        """The most frequent first; None is the code of numbers that begin with no country's."""
        regions: dict[int, tuple[str, ...]] = import_module("phonenumbers").COUNTRY_CODE_TO_REGION_CODE
        found = Counter[int | None]()
        for prefix, count in self._prefixes.items():
            codes = (int(prefix[:length]) for length in (1, 2, 3))
            found[next((code for code in codes if code in regions), None)] += count
        return [
            Country(code, regions.get(code, ()) if code is not None else (), count)
            for code, count in found.most_common()
        ]

    def doubts(self) -> tuple[int, list[Doubt]]:
        """How many numbers the sample has, and those that will hardly be reached."""
        kinds = import_module("phonenumbers").PhoneNumberType
        problems = {
            kinds.UNKNOWN: "in no numbering plan",
            kinds.FIXED_LINE: "landlines",
            kinds.TOLL_FREE: "service numbers",
            kinds.PREMIUM_RATE: "service numbers",
            kinds.SHARED_COST: "service numbers",
            kinds.UAN: "service numbers",
            kinds.VOICEMAIL: "service numbers",
            kinds.PAGER: "pagers",
        }
        found: defaultdict[str, list[int]] = defaultdict(list)
        for number, line in self._sample.taken:
            problem = problems.get(_kind(number))
            if problem is not None:
                found[problem].append(line)
        doubts = [Doubt(problem, len(lines), sorted(lines)[:_MOST_LINES]) for problem, lines in found.items()]
        return len(self._sample.taken), sorted(doubts, key=lambda doubt: -doubt.numbers)


def _kind(number: str) -> Any:
    phonenumbers = import_module("phonenumbers")
    try:
        return phonenumbers.number_type(phonenumbers.parse("+" + number[2:]))
    except phonenumbers.NumberParseException:
        return phonenumbers.PhoneNumberType.UNKNOWN


class Seen:
    """A set of hashes of 64 bits, in an array: one of Python's takes four times the memory.

    Two that differ are taken for the same in one of 40 million files of a million rows.
    """

    def __init__(self) -> None:
        self._slots = array("Q", bytes(_FEWEST_SLOTS * 8))
        self._used = 0

    def add(self, value: int) -> bool:
        """Whether `value` is new."""
        value = value & _64_BITS or 1  # 0 is an empty slot
        slots = self._slots
        at = value % len(slots)
        while there := slots[at]:
            if there == value:
                return False
            at = (at + 1) % len(slots)
        slots[at] = value
        self._used += 1
        if 3 * self._used > 2 * len(slots):
            self._grow()
        return True

    def __contains__(self, value: int) -> bool:
        value = value & _64_BITS or 1
        slots = self._slots
        at = value % len(slots)
        while there := slots[at]:
            if there == value:
                return True
            at = (at + 1) % len(slots)
        return False

    def _grow(self) -> None:
        slots = array("Q", bytes(16 * len(self._slots)))
        for value in self._slots:
            if value:
                at = value % len(slots)
                while slots[at]:
                    at = (at + 1) % len(slots)
                slots[at] = value
        self._slots = slots


class Sample:
    """At most `size` of a stream of any length, each with the same chance (Li's algorithm L).

    `wants` is the place, from 1, of the next that it takes. The chance is always the same: a file gives the
    same sample each time.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._chance = random.Random(size)
        self._weight = 1.0
        self.taken: list[tuple[str, int]] = []
        self.wants = 1

    def take(self, item: tuple[str, int]) -> None:
        """The item at the place `wants`."""
        if len(self.taken) < self._size:
            self.taken.append(item)
        else:
            self.taken[self._chance.randrange(self._size)] = item
        self.wants += 1 if len(self.taken) < self._size else 1 + self._skipped()

    def _skipped(self) -> int:
        self._weight *= math.exp(math.log(1 - self._chance.random()) / self._size)
        return math.floor(math.log(1 - self._chance.random()) / math.log1p(-self._weight))
