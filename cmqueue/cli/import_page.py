"""The pre-flight of `cmqueue import`: on a page of 80 columns, or as an object for JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from cmqueue.campaign.badfile import BadFile
from cmqueue.campaign.census import Country, Doubt
from cmqueue.campaign.mailing import Mailing
from cmqueue.campaign.preflight import Finish, Preflight
from cmqueue.campaign.source import DELIMITERS, Csv, Source, joined, shown
from cmqueue.cli.page import clean, counted, write_fields, write_wrapped
from cmqueue.row import iso

_MOST = 6  #: reasons, countries, characters that are told
_MARGIN = "    "


def write_preflight(
    found: Preflight, end: Finish, source: Source, column: str, bad: BadFile, mailing: Mailing
) -> None:
    """The page."""
    kind = f"CSV with {DELIMITERS[source.delimiter]}" if isinstance(source, Csv) else source.kind
    write_wrapped(f'{source.name}: {kind}, numbers in the column "{column}"')
    write_fields(
        [
            ("  rows", f"{found.rows:,}: {found.good:,} good, {found.bad:,} bad"),
            ("  repeated", _repeated(found)),
            ("  names", f"no row has {joined(found.unmet)}; is it spelled so?" if found.unmet else None),
            ("  messages", f"{found.messages:,} in the lane {mailing.lane}"),
            ("  parts", f"{found.cost.parts:,}" if found.cost.messages else None),
            ("  Unicode", _unicode(found)),
            ("  too long", _too_long(found, mailing)),
            ("  countries", _countries(found.countries)),
            ("  numbers", _doubts(found)),
            ("  finish", _finish(end)),
            ("  too late", f"{end.late:,} would expire before that: --expires-in" if end.late else None),
        ]
    )
    if found.bad:
        click.echo(
            "\nbad rows" + (f", kept in {clean(str(bad.path))}" if bad.path else "; --bad FILE keeps them")
        )
        reasons = sorted(found.reasons.items(), key=lambda reason: -reason[1].rows)
        for problem, reason in reasons[:_MOST]:
            lines = _lines(reason.lines, reason.rows)
            write_wrapped(f"{problem} ({lines})", indent=" " * 13, first=f"{reason.rows:>11,}  ")
        if rest := sum(reason.rows for _, reason in reasons[_MOST:]):
            click.echo(f"{rest:>11,}  for other reasons")
    click.echo()


def as_object(found: Preflight, end: Finish, source: Source, column: str, bad: BadFile) -> dict[str, Any]:
    """The same for programs."""
    cost = found.cost
    return {
        "file": source.name,
        "kind": source.kind,
        "column": column,
        "rows": found.rows,
        "good": found.good,
        "bad": found.bad,
        "bad_file": str(bad.path) if bad.path and found.bad else None,
        "reasons": [
            {"reason": problem, "rows": reason.rows, "first_lines": reason.lines}
            for problem, reason in found.reasons.items()
        ],
        "repeated": found.repeated,
        "contradicted": found.contradicted,
        "unmet": [shown(name) for name in found.unmet],
        "messages": found.messages,
        "parts": cost.parts if cost.messages else None,
        "unicode": {
            "messages": cost.unicode,
            "extra_parts": cost.extra_parts,
            "characters": [foreign._asdict() for foreign in cost.foreign()],
        },
        "too_long": cost.too_long,
        "countries": [country._asdict() for country in found.countries],
        "sampled": found.sampled,
        "doubts": [doubt._asdict() for doubt in found.doubts],
        "finish": {
            "at": iso(int(end.at)),
            "seconds": round(end.seconds, 1),
            "rate": round(end.pace.rate, 1),
            "rate_is": end.pace.known,
            "ahead": end.pace.ahead,
            "late": end.late,
        },
    }


def _repeated(found: Preflight) -> str | None:
    if not found.repeated:
        return None
    other = f"; {found.contradicted:,} with another text, which are refused" if found.contradicted else ""
    return (
        f"{counted(found.repeated, 'row')} with a number that came before: a number gets one message{other}"
    )


def _unicode(found: Preflight) -> str | None:
    cost = found.cost
    if not cost.unicode:
        return None
    foreign = cost.foreign()
    listed = ", ".join(f"{one.label} in {one.messages:,}" for one in foreign[:_MOST])
    more = f" and {counted(len(foreign) - _MOST, 'other')}" if len(foreign) > _MOST else ""
    extra = f"{counted(cost.extra_parts, 'part')} more than without"
    return f"{counted(cost.unicode, 'message')}, {extra} {listed}{more}"


def _too_long(found: Preflight, mailing: Mailing) -> str | None:
    if not found.cost.too_long:
        return None
    most = mailing.content.max_parts
    return f"{counted(found.cost.too_long, 'message')} of more than {most} parts, the most that may be sent"


def _countries(countries: list[Country]) -> str | None:
    if not countries:
        return None
    told = ", ".join(f"{_country(country)} {country.numbers:,}" for country in countries[:_MOST])
    rest = sum(country.numbers for country in countries[_MOST:])
    return told + (f", {len(countries) - _MOST} others {rest:,}" if rest else "")


def _country(country: Country) -> str:
    if country.code is None:
        return "of no country"
    first, *others = country.regions
    name = "international" if first == "001" else first + (" and others" if others else "")
    return f"+{country.code} ({name})"


def _doubts(found: Preflight) -> str | None:
    """What the numbering plans say, and of how many."""
    if not found.sampled:
        return None
    whole = found.sampled == found.messages
    looked = "" if whole else f"of a sample of {found.sampled:,}: "
    if not found.doubts:
        return looked + "all of them fit their numbering plan"
    return looked + "; ".join(_doubt(doubt, found, whole=whole) for doubt in found.doubts)


def _doubt(doubt: Doubt, found: Preflight, *, whole: bool) -> str:
    about = "" if whole else f", about {round(doubt.numbers / found.sampled * found.messages):,} of all"
    return f"{doubt.numbers:,} {doubt.problem}{about} ({_lines(doubt.lines, doubt.numbers)})"


def _finish(end: Finish) -> str:
    rate = f"{end.pace.rate:,.0f} a second"
    match end.pace.known:
        case "measured":
            why = f"at {rate}, as measured lately"
        case "given":
            why = f"at {rate}, as you say"
        case "assumed":
            why = f"if {rate} go out, an assumption: --rate says better"
    before = f", after {counted(end.pace.ahead, 'message')} already waiting" if end.pace.ahead else ""
    at = datetime.fromtimestamp(end.at, UTC).astimezone()
    return f"about {at:%Y-%m-%d %H:%M}, {span(end.seconds)} after it begins{before}; {why}"


def span(seconds: float) -> str:
    """A time as a person says it: `40 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def _lines(lines: list[int], rows: int) -> str:
    more = ", …" if rows > len(lines) else ""
    return ("line " if rows == 1 else "lines ") + ", ".join(f"{line:,}" for line in lines) + more
