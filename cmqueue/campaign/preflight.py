"""The pre-flight: a whole file looked over before anything of it is enqueued."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cmqueue.campaign.badfile import BadFile
from cmqueue.campaign.census import Census, Country, Doubt
from cmqueue.campaign.cost import Cost
from cmqueue.campaign.mailing import Mailing
from cmqueue.campaign.pace import Pace
from cmqueue.campaign.source import Malformed, Source
from cmqueue.errors import InvalidMessage
from cmqueue.message import parse_message, parse_recipient

TOLD_EVERY = 5_000  #: rows

_MOST_REASONS = 50
_OTHER = "something else"
_FIELDS = {"to": "the number", "client_reference": "the reference", "text": "the text"}
_MOST_LINES = 3
_FIGURE = re.compile(r"[0-9]{7}\.00?\s*$")
_PLACE = re.compile(r" at position [0-9]+")


@dataclass(slots=True)
class Reason:
    """Why rows are bad: how many, and the first of their lines."""

    rows: int = 0
    lines: list[int] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Preflight:
    """What was found. It holds lines, counts, names of columns and single characters; no number, no text.

    `good` rows make `messages`, fewer by those that repeat a number (`repeated`). Of these, `contradicted`
    would give it another text. `unmet` are names in the text that no row has: mistyped, perhaps.
    """

    rows: int = 0
    good: int = 0
    repeated: int = 0
    contradicted: int = 0
    unmet: list[str] = field(default_factory=list)
    reasons: dict[str, Reason] = field(default_factory=dict)
    cost: Cost
    countries: list[Country] = field(default_factory=list)
    sampled: int = 0
    doubts: list[Doubt] = field(default_factory=list)

    @property
    def bad(self) -> int:
        return self.rows - self.good

    @property
    def messages(self) -> int:
        return self.good - self.repeated

    def refuse(self, line: int, reason: str) -> None:
        """One more bad row."""
        kind = _PLACE.sub("", reason)
        if kind not in self.reasons and len(self.reasons) >= _MOST_REASONS:
            kind = _OTHER
        of_kind = self.reasons.setdefault(kind, Reason())
        of_kind.rows += 1
        if len(of_kind.lines) < _MOST_LINES:
            of_kind.lines.append(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """When the last message is expected to be sent. `late` of them would have expired by then."""

    pace: Pace
    seconds: float
    at: float
    late: int


def numbered(source: Source, column: str, mailing: Mailing, region: str | None) -> Callable[[Any], str]:
    """From a row to its number in CM's form. Raises InvalidMessage."""
    cell, opaque = source.cell(column), mailing.opaque

    def number(row: Any) -> str:
        written = cell(row)
        if "." in written and not opaque and _FIGURE.search(written):
            # The dot would go as a separator, and the zero make it another's number.
            raise InvalidMessage("to", "ends as a decimal figure, .0", "a number as text")
        return parse_recipient(written, opaque=opaque, default_region=region)

    return number


def look_over(
    source: Source,
    mailing: Mailing,
    *,
    column: str,
    region: str | None,
    bad: BadFile,
    advanced: Callable[[float], object] = lambda _share: None,
) -> Preflight:
    """Read every row of `source` as the import will; the bad ones go to `bad`.

    `advanced` is told now and then how much of the file was read, from 0 to 1. Raises Unreadable,
    UnknownColumn.
    """
    check = _check(source, mailing, column, region)
    found, census = Preflight(cost=Cost(mailing.content)), Census(opaque=mailing.opaque)
    # A file with columns is asked for them before. In JSONL every row may lack what is optional.
    unmet = set() if source.closed or mailing.template is None else set(mailing.template.names)
    rows = 0
    for line, row in source.rows():
        rows += 1
        if unmet and type(row) is dict:
            unmet.difference_update(row)
        if rows % TOLD_EVERY == 0:
            advanced(source.share())
        try:
            number, text = check(row)
        except InvalidMessage as error:
            reason = f"{_FIELDS.get(error.field, error.field)} {error.problem}"
            found.refuse(line, reason)
            bad.add(line, reason, row)
        else:
            found.good += 1
            if not census.add(number, line):
                found.repeated += 1
                found.contradicted += text is not None and not census.gives(number, text)
            elif text is not None:
                census.give(number, text)
                found.cost.add(text)
    found.rows, found.unmet = rows, sorted(unmet)
    if not mailing.individual:
        found.cost.add(mailing.content.text or "", found.messages)
    if not mailing.opaque:
        found.countries = census.countries()
        found.sampled, found.doubts = census.doubts()
    return found


def _check(
    source: Source, mailing: Mailing, column: str, region: str | None
) -> Callable[[Any], tuple[str, str | None]]:
    """From a row to its number, and to its text where messages differ. Raises InvalidMessage."""
    number = numbered(source, column, mailing, region)
    letter = mailing.letter(source, number) if mailing.individual else None

    def check(row: Any) -> tuple[str, str | None]:
        if type(row) is Malformed:
            raise InvalidMessage("the row", row.problem, "")
        if letter is None:
            return number(row), None
        message = letter(row)
        parse_message(message, default_region=None)
        return message["to"], message.get("text") or ""

    return check


def finish(found: Preflight, mailing: Mailing, pace: Pace, now: float | None = None) -> Finish:
    """When all of it will have been sent at this pace, from `send_at` or from now on."""
    now = time.time() if now is None else now
    options = mailing.options
    begin = max(options.send_at.timestamp() if options.send_at else now, now)
    seconds = pace.seconds(found.messages)
    life = math.ceil(options.expires_in or mailing.lane.rules.maximum_age)
    in_time = max(round(life * pace.rate) - pace.ahead, 0)
    return Finish(pace=pace, seconds=seconds, at=begin + seconds, late=max(found.messages - in_time, 0))
