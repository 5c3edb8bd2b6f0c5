"""Results on a page of 80 columns, or as JSON."""

from __future__ import annotations

import json
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import click

WIDTH = 80


def write_json(value: Any) -> None:
    """`value` on standard output, indented; its states and lanes are text already."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def write_wrapped(text: str, *, indent: str = "", first: str | None = None) -> None:
    """`text` in lines of at most WIDTH columns; `first` begins the first line instead of `indent`."""
    click.echo(
        textwrap.fill(
            clean(text),
            WIDTH,
            initial_indent=indent if first is None else first,
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
    )


def write_fields(fields: Iterable[tuple[str, str | None]]) -> None:
    """Names and values below each other, the values aligned; a value of None is left out."""
    given = [(name, value) for name, value in fields if value is not None]
    margin = max((len(name) for name, _ in given), default=0) + 2
    for name, value in given:
        write_wrapped(value, indent=" " * margin, first=name.ljust(margin))


def write_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows below their heads, as wide as each column needs."""
    lines = [tuple(heads), *([clean(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def clean(text: str) -> str:
    """`text` without control characters: a caller's campaign must not steer a terminal."""
    return "".join(
        "?" if unicodedata.category(character).startswith("C") else character for character in text
    )


def counted(number: int, noun: str) -> str:
    """`1 message`, `12 messages`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
