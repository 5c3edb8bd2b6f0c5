"""The rows of a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from campaigns import as_csv, rows, source
from hypothesis import given, settings
from hypothesis import strategies as st

from cmqueue.campaign.source import Csv, Jsonl, Malformed, UnknownColumn, Unreadable, opened

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NAME = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
TABLE = st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width)))


@settings(max_examples=50)
@given(TABLE, st.sampled_from(",;\t"), st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_what_a_writer_of_csv_writes_is_read(
    tmp_path: Path, table: list[list[str]], delimiter: str, mark: bytes
) -> None:
    """Every cell comes back as it was, with quotes and line breaks, whatever the delimiter."""
    header = ["number", "b", "c", "d"][: len(table[0]) if table else 2]
    file = source(mark + as_csv([header, *table], delimiter).encode(), tmp_path)

    assert table == [row for _, row in file.rows()]


@settings(max_examples=25)
@given(st.lists(st.dictionaries(NAME, CELL)))
def test_what_a_writer_of_jsonl_writes_is_read(tmp_path: Path, lines: list[dict[str, str]]) -> None:
    """Every object comes back as it was, escaped or not."""
    text = "".join(json.dumps(row, ensure_ascii=len(row) % 2 == 0) + "\n" for row in [{"to": "x"}, *lines])
    file = source(text, tmp_path)

    assert [{"to": "x"}, *lines] == [row for _, row in file.rows()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    """Commas, semicolons or tabs: the one by which the header has the number's column."""
    file = source(
        f"phone{delimiter}note\n+31600000001{delimiter}a, b; c\n".replace("a, b; c", '"a, b; c"'), tmp_path
    )

    assert isinstance(file, Csv)
    assert (delimiter, ("phone", "note")) == (file.delimiter, file.columns)
    assert [(2, ["+31600000001", "a, b; c"])] == list(file.rows())


def test_one_column_needs_no_delimiter(tmp_path: Path) -> None:
    """A file of numbers alone is CSV with commas."""
    assert [(2, ["+31600000001"])] == list(source("number\n+31600000001\n", tmp_path).rows())


def test_json_is_known_by_its_first_character(tmp_path: Path) -> None:
    """A file that begins with a brace is JSONL, whatever its name."""
    assert isinstance(source('\n{"to": "+31600000001"}', tmp_path), Jsonl)


def test_a_row_has_the_line_that_it_begins_at(tmp_path: Path) -> None:
    """A cell of several lines, and empty lines, count."""
    file = source('number,name\n1,"a\nb"\n\n2,c\n', tmp_path)

    assert [2, 5] == [line for line, _ in file.rows()]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1", "has 1 cells, the header 2"),
        ("1,2,3", "has 3 cells, the header 2"),
        ('1,"a"b', "has something after a closing quote"),
    ],
)
def test_a_row_that_is_none(tmp_path: Path, row: str, problem: str) -> None:
    """A malformed row says what is wrong with it, and the rows after it are read."""
    (line, bad), after = source(f"number,name\n{row}\n4,e\n", tmp_path).rows()

    assert isinstance(bad, Malformed)
    assert (2, problem) == (line, bad.problem)
    assert bad.raw in (row + "\n", row.split(","))
    assert (3, ["4", "e"]) == after


def test_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    """The row it begins in is malformed; no row is guessed."""
    ((_, bad),) = source('number,name\n1,"a\n2,b\n', tmp_path).rows()

    assert isinstance(bad, Malformed)
    assert ("has a quote that is never closed", '1,"a\n2,b\n') == (bad.problem, bad.raw)


@pytest.mark.parametrize(
    "row",
    [
        '+31600000001,"Ann\n+31600000002,Bob\n+31600000003,Carl"',
        '+31600000001,"Ann\n0031 6 0000 0002,"Bob\n',
        '+31600000001,"Ann\n+31600000002,Bob',
    ],
)
def test_a_forgotten_quote_swallows_nobody(tmp_path: Path, row: str) -> None:
    """Rows between it and the next quote are no name of the first: it is malformed, and tells why."""
    ((line, bad), *_) = source(f"number,name\n{row}\n", tmp_path).rows()

    assert isinstance(bad, Malformed)
    assert (2, "has other rows inside quotes; is one not closed?") == (line, bad.problem)
    assert row.strip() == bad.raw.strip()


def test_a_cell_of_several_lines_is_one(tmp_path: Path) -> None:
    """An address over lines, with commas and a number of its own, is a cell all the same."""
    address = "Street 1, 1011 AB\nAmsterdam, NL\n+31 20 000 0001"

    assert [(2, ["+31600000001", address])] == list(
        source(f'number,address\n+31600000001,"{address}"\n', tmp_path).rows()
    )


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ('{"to": "1", "to": "2"}', "has a name twice"),
        ("{", "is not JSON"),
        ("[1]", "is not an object of JSON"),
        ("[" * 9_999, "is not JSON"),
    ],
)
def test_a_line_that_is_no_object(tmp_path: Path, row: str, problem: str) -> None:
    """Each line of JSONL stands alone."""
    rows = list(source(f'{{"to": "1"}}\n{row}\n\n{{"to": "2"}}\n', tmp_path).rows())

    assert [1, 2, 4] == [line for line, _ in rows]
    assert isinstance(rows[1][1], Malformed)
    assert problem == rows[1][1].problem


def test_json_values_as_text(tmp_path: Path) -> None:
    """Numbers are as they are spelled, true is itself, false, null, lists and objects are nothing."""
    file = source('{"to":1.50,"a":true,"b":false,"c":null,"d":[1],"e":{"f":1},"g":31600000001}', tmp_path)
    ((_, row),) = file.rows()

    assert ["1.50", "true", "", "", "", "", "31600000001"] == [file.cell(name)(row) for name in file.columns]
    assert "" == file.cell("absent")(row)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"number,name\n1,a\n2,caf\xe9\n", "line 3 is not UTF-8"),
        (b"num\xe9ro,name\n", "line 1 is not UTF-8"),
        ("number\n1\n".encode("utf-16"), "is UTF-16"),
        ("number\n1\n".encode("utf-16-le"), "is UTF-16"),
        (b'[{"to": "1"}]', "is an array of JSON"),
        (b"number\n1\n" + b"a" * (1 << 20), "line 3 has more than 1,048,576 characters"),
        (b'{"to": "' + b"1" * (1 << 20) + b'"}\n', "line 1 has more than 1,048,576 characters"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, data: bytes, said: str) -> None:
    """An error names the line and what to do, and repeats nothing of the file."""
    with pytest.raises(Unreadable, match=said) as caught:
        list(source(data, tmp_path).rows())

    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_file_that_is_changed_between(tmp_path: Path) -> None:
    """What was looked over is what is enqueued, or nothing is."""
    file = source(rows(3), tmp_path)
    list(file.rows())
    with (tmp_path / "people.csv").open("a") as again:
        again.write("+31600000009,Nine\n")

    with pytest.raises(Unreadable, match="was changed"):
        list(file.rows())


def test_a_file_that_is_changed_meanwhile(tmp_path: Path) -> None:
    """What is written to it after a pass has begun makes no row: two halves might give a false number."""
    passing = source(rows(2_000), tmp_path).rows()
    passed = [next(passing)[1]]
    (tmp_path / "people.csv").write_text(rows(2_000).replace("Name", "N"))
    with pytest.raises(Unreadable, match="was changed"):
        passed.extend(row for _, row in passing)

    assert [[f"+31600{at:06}", f"Name {at}"] for at in range(len(passed))] == passed


def test_a_pass_that_is_left_early_leaves_the_file_open(tmp_path: Path) -> None:
    """The next pass begins at the beginning."""
    file = source(rows(3), tmp_path)
    next(file.rows())

    assert 3 == len(list(file.rows()))


@pytest.mark.parametrize("header", ["number", "To", "PHONE", " Msisdn "])
def test_the_column_of_the_numbers(tmp_path: Path, header: str) -> None:
    """number, to, phone or msisdn, in any case."""
    assert header.strip() == source(f"name,{header}\na,1\n", tmp_path).number_column(None)


def test_a_column_that_is_asked_for(tmp_path: Path) -> None:
    """As it is spelled, else in any case."""
    file = source("number,Mobile,mobile\n1,2,3\n", tmp_path)

    assert ["mobile", "Mobile", "number"] == [
        file.number_column(name) for name in ("mobile", "Mobile", "NUMBER")
    ]


@pytest.mark.parametrize(
    ("text", "asked", "said"),
    [
        ("name,mobile\na,1\n", None, r"name the one .* by --to \(the columns are name, mobile\)"),
        ("name,mobile\na,1\n", "handy", r"no column of the name in --to \(the columns are name, mobile\)"),
        ("+31600000001,Ann\n+31600000002,Bob\n", None, "does it begin with a header"),
        ("name,\x1b[2J\na,1\n", None, "does it begin with a header"),
        ("Ann,ann@example.com\nBob,b@example.com\n", None, "does it begin with a header"),
        ("number,Mobile,MOBILE\n", "mobile", "has 2 columns called mobile"),
    ],
)
def test_a_column_that_is_not_there(tmp_path: Path, text: str, asked: str | None, said: str) -> None:
    """The error tells the columns, unless the first line is no header: that has numbers."""
    with pytest.raises(UnknownColumn, match=said) as caught:
        source(text, tmp_path, asked).number_column(asked)

    assert "31600000001" not in str(caught.value)


def test_how_much_was_read(tmp_path: Path) -> None:
    """The share of the file grows from none to all."""
    file = source(rows(2_000), tmp_path)
    shares = [file.share() for _ in file.rows()]

    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.5
    assert 1 == shares[-1]


def test_a_pipe_has_no_rows_of_its_own(tmp_path: Path) -> None:
    """Rows are read twice, so what cannot be sought in is spooled before."""
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe, pytest.raises((OSError, Unreadable)):
        opened(pipe, "pipe")
