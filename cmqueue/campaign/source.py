"""The rows of a file: CSV or JSONL, in UTF-8. It is read once for each pass, and never held whole.

What kind it is its first character tells: an object of JSON begins with a brace.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import IO, Any, NamedTuple, TypeAlias

from cmqueue.errors import CmqueueError

NUMBER_COLUMNS = ("number", "to", "phone", "msisdn")
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}

_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_HEAD = 64 * 1024  #: bytes looked at to tell the kind
_LONGEST_LINE = 1 << 20  #: characters
_LIKE_A_NUMBER = re.compile(r"[\s\"'(]*(?:\+|[0-9])[0-9\s()./-]{6,}[\"']?\s*")
_ROWS_INSIDE = "has other rows inside quotes; is one not closed?"
_NAME = re.compile(r"[^\W\d][\w-]*(?: [\w-]+){0,2}")
_LONGEST_NAME = 40  #: characters
_MOST_DIGITS = 5  #: in the name of a column; what has more may be a number
_MOST_NAMES = 8


class Unreadable(CmqueueError):
    """The file cannot be read as a whole. Says a line at most, nothing that stands in it."""


class UnknownColumn(CmqueueError):
    """A column that was named, or is needed, is not there."""


class Malformed(NamedTuple):
    """A row that is none. `raw` is what stands there, as far as it could be read."""

    problem: str
    raw: Any = ()

    def __repr__(self) -> str:
        return f"Malformed({self.problem!r})"


#: cells of CSV, or an object of JSON
Row: TypeAlias = "list[str] | dict[str, Any]"
Cell: TypeAlias = Callable[[Any], str]


class Source:
    """An open file of rows. `columns` are the header of CSV, or the keys of the first object."""

    kind: str
    columns: tuple[str, ...]
    closed: bool  #: whether no row has other columns than these

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        self._file = file
        self._stamp = self._now()

    def rows(self) -> Iterator[tuple[int, Row | Malformed]]:
        """Each row with the line that it begins at. Raises Unreadable."""
        text = self._text()
        readable = True
        try:
            yield from self._read(self._lines(text))
        except UnicodeDecodeError:
            readable = False
        finally:
            text.detach()  # or it would close the file
        if not readable:  # raised out here, without the bytes that the other error carries along
            raise self._not_utf_8()

    def share(self) -> float:
        """How much of the file the pass has read so far, from 0 to 1."""
        return min(self._file.tell() / max(self._stamp[0], 1), 1.0)

    def cell(self, column: str) -> Cell:
        """From a row to the text in `column`; empty where there is none."""
        raise NotImplementedError

    def number_column(self, asked: str | None) -> str:
        """The column that holds the numbers. Raises UnknownColumn."""
        for name in (asked,) if asked is not None else NUMBER_COLUMNS:
            if found := self.named(name):
                return found
        told = f" (the columns are {self._told()})" if self._told() else "; does it begin with a header?"
        if asked is not None:
            raise UnknownColumn(f"{self.name} has no column of the name in --to{told}")
        raise UnknownColumn(
            f"{self.name} has no column called {', '.join(NUMBER_COLUMNS[:-1])} or {NUMBER_COLUMNS[-1]}: "
            f"name the one that holds the numbers by --to{told}"
        )

    def named(self, name: str) -> str | None:
        """The column called `name`, as it is spelled, else in any case. Raises UnknownColumn for two."""
        for spelled in (str, str.casefold):
            found = [column for column in self.columns if spelled(column) == spelled(name.strip())]
            if len(found) > 1:
                raise UnknownColumn(f"{self.name} has {len(found)} columns called {shown(name)}")
            if found:
                return found[0]
        return None

    def _told(self) -> str:
        """The columns as an error may show them: a file without a header has numbers in their place."""
        if not all(map(_is_shown, self.columns)):
            return ""
        more = ", …" if len(self.columns) > _MOST_NAMES else ""
        return ", ".join(self.columns[:_MOST_NAMES]) + more

    def _read(self, lines: Iterator[str]) -> Iterator[tuple[int, Row | Malformed]]:
        raise NotImplementedError

    def _lines(self, text: io.TextIOWrapper) -> Iterator[str]:
        """The lines of `text`. One of any length would take any memory: that is no file of rows."""
        for line, written in enumerate(iter(partial(text.readline, _LONGEST_LINE), ""), start=1):
            if len(written) == _LONGEST_LINE and not written.endswith(("\r", "\n")):
                raise Unreadable(f"{self.name}: line {line} has more than {_LONGEST_LINE:,} characters")
            yield written

    def _text(self) -> io.TextIOWrapper:
        """The file from its beginning, after a byte order mark."""
        self._file.seek(0)
        if self._file.read(len(_BOM)) != _BOM:
            self._file.seek(0)
        return io.TextIOWrapper(_Watched(self._file, self._unchanged), encoding="utf-8", newline="")

    def _unchanged(self) -> None:
        if self._now() != self._stamp:
            raise Unreadable(f"{self.name} was changed while it was read")

    def _not_utf_8(self) -> Unreadable:
        self._file.seek(0)
        line = next(line for line, written in enumerate(self._file, start=1) if not _is_utf_8(written))
        return Unreadable(f"{self.name}: line {line} is not UTF-8; save the file as UTF-8")

    def _now(self) -> tuple[int, int]:
        stat = os.fstat(self._file.fileno())
        return stat.st_size, stat.st_mtime_ns


class _Watched(io.BufferedIOBase):
    """`file`, asked after each piece whether it is still what it was.

    Of a file that is written to meanwhile two halves of different rows would make one, of a number that
    nobody gave.
    """

    def __init__(self, file: IO[bytes], unchanged: Callable[[], None]) -> None:
        self._file, self._unchanged = file, unchanged

    @property
    def name(self) -> str:
        return ""

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        piece: bytes = self._file.read(size)
        self._unchanged()
        return piece


class Csv(Source):
    """Rows below a header; the delimiter is the one by which the header has the most columns."""

    kind = "CSV"
    closed = True

    def __init__(self, file: IO[bytes], name: str, number_column: str | None) -> None:
        super().__init__(file, name)
        wanted = {name.casefold() for name in ((number_column,) if number_column else NUMBER_COLUMNS)}

        def fit(delimiter: str) -> tuple[bool, int]:
            header = self._header(delimiter)
            return any(cell.casefold() in wanted for cell in header), len(header)

        self.delimiter = max(DELIMITERS, key=fit)
        self.columns = tuple(self._header(self.delimiter))
        self._number_at = next((at for at, name in enumerate(self.columns) if name.casefold() in wanted), 0)

    def cell(self, column: str) -> Cell:
        return itemgetter(self.columns.index(column))

    def _header(self, delimiter: str) -> list[str]:
        text = self._text()
        cells: list[str] | None = []
        try:
            reader = csv.reader(self._lines(text), delimiter=delimiter, strict=True)
            cells = next((cells for cells in reader if cells), [])
        except UnicodeDecodeError:
            cells = None
        except csv.Error:
            pass
        finally:
            text.detach()
        if cells is None:
            raise self._not_utf_8()
        return [cell.strip() for cell in cells]

    def _read(self, lines: Iterator[str]) -> Iterator[tuple[int, Row | Malformed]]:
        kept: list[str] = []  # the lines of the row that is read

        def keeping() -> Iterator[str]:
            for written in lines:
                kept.append(written)
                yield written

        reader = csv.reader(keeping(), delimiter=self.delimiter, strict=True)
        next(cells for cells in reader if cells)
        kept.clear()
        width = len(self.columns)
        line = reader.line_num + 1
        while True:
            try:
                for cells in reader:
                    if len(kept) > 1 and self._has_rows_inside(kept):
                        yield line, Malformed(_ROWS_INSIDE, "".join(kept))
                    elif len(cells) == width:
                        yield line, cells
                    elif cells:
                        yield line, Malformed(f"has {len(cells)} cells, the header {width}", cells)
                    kept.clear()
                    line = reader.line_num + 1
            except csv.Error as error:
                inside = self._has_rows_inside(kept)
                yield line, Malformed(_ROWS_INSIDE if inside else _csv_problem(error), "".join(kept))
                kept.clear()
                line = reader.line_num + 1
            else:
                return

    def _has_rows_inside(self, lines: list[str]) -> bool:
        """Whether one row of several lines looks as if it had swallowed others.

        With a quote that was forgotten the next one closes it. Those between would get nothing, and the
        first one their numbers as his name.
        """
        for written in lines[1:]:
            cells = written.split(self.delimiter)
            if len(cells) == len(self.columns) > 1 and _LIKE_A_NUMBER.fullmatch(cells[self._number_at]):
                return True
        return False


class Jsonl(Source):
    """An object of JSON in each line. Numbers are taken as they are spelled: 1.50 stays 1.50."""

    kind = "JSONL"
    closed = False

    def __init__(self, file: IO[bytes], name: str) -> None:
        super().__init__(file, name)
        first = next((row for _, row in self.rows() if isinstance(row, dict)), {})
        self.columns = tuple(first)

    def cell(self, column: str) -> Cell:
        def text(row: dict[str, Any]) -> str:
            value = row.get(column)
            return value if type(value) is str else "true" if value is True else ""

        return text

    def _read(self, lines: Iterator[str]) -> Iterator[tuple[int, Row | Malformed]]:
        decode = json.JSONDecoder(
            parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_each_once
        ).decode
        for line, written in enumerate(lines, start=1):
            try:
                row = decode(written)
            except _Twice:
                yield line, Malformed("has a name twice", written)
            except (ValueError, RecursionError):
                if not written.isspace():
                    yield line, Malformed("is not JSON", written)
            else:
                yield line, row if type(row) is dict else Malformed("is not an object of JSON", written)


class _Twice(ValueError):
    """An object of JSON gives one name two values: which one is meant?"""


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twice
    return found


def opened(file: IO[bytes], name: str, *, number_column: str | None = None) -> Source:
    """The rows of `file`, which can be sought in; an error calls it `name`. Raises Unreadable."""
    head = file.read(_HEAD)
    if head.startswith(_UTF_16) or b"\0" in head[:2]:  # also without its mark
        raise Unreadable(f"{name} is UTF-16; save it as UTF-8")
    begin = head.removeprefix(_BOM).lstrip()[:1]
    if not begin:
        raise Unreadable(f"{name} is empty")
    if begin == b"[":
        raise Unreadable(f"{name} is an array of JSON; JSONL has an object in each line, and no array")
    return Jsonl(file, name) if begin == b"{" else Csv(file, name, number_column)


def shown(name: str) -> str:
    """A name as an error may show it: one that looks like a name."""
    is_name = len(name) <= _LONGEST_NAME and _NAME.fullmatch(name)
    return name if is_name else "(some name)"


def _is_shown(column: str) -> bool:
    digits = sum(map(str.isdigit, column))
    return (
        len(column) <= _LONGEST_NAME and digits < _MOST_DIGITS and "@" not in column and column.isprintable()
    )


def joined(names: Sequence[str]) -> str:
    """Names as an error may show them."""
    return ", ".join(sorted({shown(name) for name in names}))


def _is_utf_8(written: bytes) -> bool:
    try:
        written.decode()
    except UnicodeDecodeError:
        return False
    return True


def _csv_problem(error: csv.Error) -> str:
    """In our words: csv's own may change, and one of them repeats a delimiter."""
    said = str(error)
    if "expected after" in said:
        return "has something after a closing quote"
    if "unexpected end" in said:
        return "has a quote that is never closed"
    if "field limit" in said:
        return f"has a cell of more than {csv.field_size_limit()} characters; is a quote not closed?"
    return "is not CSV"
