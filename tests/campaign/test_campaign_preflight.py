"""The pre-flight: what it finds in a file."""

from __future__ import annotations

import csv
import os
import stat
import struct
import time
from pathlib import Path

import pytest
from campaigns import HELLO, TEXT, looked_over, mailing, number, rows, source

from cmqueue import Content, Outbox
from cmqueue.campaign.badfile import BadFile, beside
from cmqueue.campaign.mailing import Mailing
from cmqueue.campaign.pace import ASSUMED, Pace, pace
from cmqueue.campaign.preflight import finish
from cmqueue.campaign.source import UnknownColumn
from cmqueue.message import Options

MIXED = f"""number,first_name
{number(1)},Ann
oops,Bob
{number(1)},Ann
{number(2)},
{number(1)},Carl
+316,Dora
{number(3)}
"""


def test_good_and_bad_rows_are_counted(tmp_path: Path) -> None:
    """Every row is good or bad; a repeated number makes no message."""
    found = looked_over(source(MIXED, tmp_path), mailing())

    assert (7, 4, 3, 2, 2) == (found.rows, found.good, found.bad, found.repeated, found.messages)
    assert {
        "the number has a letter": [3],
        "the number has 3 digits after + or 00": [7],
        "the row has 1 cells, the header 2": [8],
    } == {problem: reason.lines for problem, reason in found.reasons.items()}


def test_with_names_more_rows_are_bad(tmp_path: Path) -> None:
    """A row without the value is bad, and a number that comes again with another text is told apart."""
    found = looked_over(source(MIXED, tmp_path), mailing(HELLO))

    assert (3, 4, 2, 1) == (found.good, found.bad, found.repeated, found.contradicted)
    assert [5] == found.reasons["first_name is empty or missing"].lines


def test_bad_rows_are_kept(tmp_path: Path) -> None:
    """Line, reason and the row as it was, in a file that nobody else can read."""
    path = tmp_path / "people.bad.csv"
    with BadFile(path, ("number", "first_name")) as bad:
        looked_over(source(MIXED, tmp_path), mailing(), bad)

    with path.open(newline="") as file:
        kept = list(csv.reader(file))
    assert [
        ["line", "reason", "number", "first_name"],
        ["3", "the number has a letter at position 1", "oops", "Bob"],
        ["7", "the number has 3 digits after + or 00", "+316", "Dora"],
        ["8", "the row has 1 cells, the header 2", number(3)],
    ] == kept
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_no_bad_rows_no_file(tmp_path: Path) -> None:
    """Where every row is good nothing is made."""
    with BadFile(tmp_path / "x.csv", ()) as bad:
        looked_over(source(rows(2), tmp_path), mailing(), bad)

    assert not (tmp_path / "x.csv").exists()


def test_an_older_file_becomes_private(tmp_path: Path) -> None:
    """A file of bad rows replaces the one before it, whose readers it does not keep."""
    path = tmp_path / "x.csv"
    path.write_text("older\n" * 99)
    path.chmod(0o644)
    with BadFile(path, ()) as bad:
        bad.add(2, "no", [])

    assert ("line,reason\r\n2,no\r\n", 0o600) == (
        path.read_bytes().decode(),
        stat.S_IMODE(path.stat().st_mode),
    )


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Whoever lays a link where bad rows go chooses no file to be overwritten."""
    (tmp_path / "victim").write_text("kept")
    (tmp_path / "x.csv").symlink_to("victim")
    with pytest.raises(OSError, match="symbolic"), BadFile(tmp_path / "x.csv", ()) as bad:
        bad.add(2, "no", [])

    assert "kept" == (tmp_path / "victim").read_text()


def test_what_is_no_file_keeps_its_readers(tmp_path: Path) -> None:
    """Bad rows may go to /dev/null or a pipe, which is not taken from others by that, not even by root."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o666)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with BadFile(pipe, ()) as bad:
        bad.add(2, "no", [])
    os.close(reading)

    assert 0o666 == stat.S_IMODE(pipe.stat().st_mode)


def test_bad_rows_lie_beside_the_file() -> None:
    """people.csv leaves people.bad.csv."""
    assert Path("a/people.bad.csv") == beside(Path("a/people.csv"))


def test_json_rows_are_kept_as_they_were(tmp_path: Path) -> None:
    """A bad line of JSONL stands in one cell, half a character pair included."""
    path = tmp_path / "x.csv"
    with BadFile(path, ("to",)) as bad:
        looked_over(source('{"to": "oops", "a": "\\ud800"}\n{"to"\n', tmp_path), mailing(), bad)

    with path.open(newline="") as file:
        assert ['{"to": "oops", "a": "\\ud800"}', '{"to"'] == [row[2] for row in list(csv.reader(file))[1:]]


def test_parts_of_a_fixed_text(tmp_path: Path) -> None:
    """The parts of the text, once for each message."""
    found = looked_over(source(rows(3), tmp_path), mailing("a" * 161))

    assert (6, 0) == (found.cost.parts, found.cost.extra_parts)


def test_what_unicode_costs(tmp_path: Path) -> None:
    """The characters that make a text Unicode, in how many messages, and the parts more than without."""
    found = looked_over(source(rows(3), tmp_path), mailing("It\u2019s " + "a" * 80))

    (foreign,) = found.cost.foreign()
    assert (6, 3, 3) == (found.cost.parts, found.cost.extra_parts, found.cost.unicode)
    assert ("\u2019 (U+2019 RIGHT SINGLE QUOTATION MARK)", 3) == foreign


def test_unicode_that_rows_bring(tmp_path: Path) -> None:
    """With names each text is counted for itself."""
    text = "number,first_name\n" + f"{number(1)},Ann\n{number(2)},Zoë\n"
    found = looked_over(source(text, tmp_path), mailing("Hi {first_name}" + "a" * 80))

    assert (3, 1, 1) == (found.cost.parts, found.cost.unicode, found.cost.extra_parts)


def test_a_text_that_takes_too_many_parts(tmp_path: Path) -> None:
    """Messages beyond the most parts of the content are counted."""
    assert 2 == looked_over(source(rows(2), tmp_path), mailing("a" * 1225)).cost.too_long


def test_rich_content_alone_has_no_parts(tmp_path: Path) -> None:
    """Where nothing goes out as SMS no part is counted."""
    content = Content(
        sender="Agent", channels=["RCS"], text="", rich_content={"conversation": [{"text": "x"}]}
    )
    found = looked_over(source(rows(2), tmp_path), Mailing.of(content, Options(), templated=False))

    assert (2, 0) == (found.messages, found.cost.parts)


def test_a_name_that_the_file_lacks(tmp_path: Path) -> None:
    """It is told at once, not row by row."""
    with pytest.raises(UnknownColumn, match="the text names firstname"):
        looked_over(source(rows(2), tmp_path), mailing("Hi {firstname}"))


def test_a_name_that_two_columns_have(tmp_path: Path) -> None:
    """Which of them is meant nobody knows, so nobody is sent either."""
    with pytest.raises(UnknownColumn, match="has 2 columns called first_name"):
        looked_over(source(f"number,first_name,first_name\n{number(1)},Ann,Bob\n", tmp_path), mailing(HELLO))


def test_a_reference_column_that_the_file_lacks(tmp_path: Path) -> None:
    """The same holds for your own handle."""
    with pytest.raises(UnknownColumn, match="--reference-column"):
        looked_over(source(rows(2), tmp_path), mailing(reference_column="order"))


def test_a_reference_that_is_too_long(tmp_path: Path) -> None:
    """Each row is checked as the outbox will."""
    text = f"number,order\n{number(1)},{'x' * 65}\n{number(2)},17\n"
    found = looked_over(source(text, tmp_path), mailing(reference_column="order"))

    assert ["the reference is too long"] == list(found.reasons)


def test_national_numbers(tmp_path: Path) -> None:
    """They are read by the default region."""
    assert 1 == looked_over(source("number\n0600000001\n", tmp_path), mailing(), region="NL").good


@pytest.mark.parametrize("written", ["+31600000001.0", "0031600000001.00 ", "491700000001.0"])
def test_a_number_that_became_a_figure(tmp_path: Path, written: str) -> None:
    """The .0 that programs write behind a figure is no digit of a number: with it the number is another's."""
    found = looked_over(source(f"number\n{written}\n+31 6.00.00.00.00\n", tmp_path), mailing(), region="DE")

    assert (1, [2]) == (found.good, found.reasons["the number ends as a decimal figure, .0"].lines)


def test_reasons_are_bounded(tmp_path: Path) -> None:
    """A file of nothing but different mistakes takes no more room than another."""
    text = "number\n" + "".join(f"{'1' * at},{'x,' * at}\n" for at in range(1, 80))
    found = looked_over(source(text, tmp_path), mailing())

    assert 79 == found.bad == sum(reason.rows for reason in found.reasons.values())
    assert len(found.reasons) <= 51


def test_the_finish_is_told_from_the_rate(tmp_path: Path) -> None:
    """What waits before goes first; what would have expired is told."""
    found = looked_over(source(rows(100), tmp_path), mailing())
    end = finish(found, mailing(expires_in=5), Pace(rate=10, known="given", ahead=20), now=1_000.0)

    assert (12.0, 1_012.0, 70) == (end.seconds, end.at, 70)
    assert 70 == end.late


def test_a_later_start_ends_later(tmp_path: Path) -> None:
    """It counts from send_at."""
    found = looked_over(source(rows(10), tmp_path), mailing())
    what = mailing(send_at="2099-01-01T00:00:00+00:00")
    assert what.options.send_at is not None

    assert (
        what.options.send_at.timestamp() + 1 == finish(found, what, Pace(rate=10, known="given", ahead=0)).at
    )


def test_nothing_known_is_an_assumption(outbox: Outbox) -> None:
    """An outbox that sent nothing lately tells no rate; a rate that is given counts."""
    assert Pace(rate=ASSUMED, known="assumed", ahead=0) == pace(outbox, "default", given=None)
    assert Pace(rate=5, known="given", ahead=0) == pace(outbox, "default", given=5)


def test_what_waits_goes_before(outbox: Outbox) -> None:
    """The account's backlog, and nobody else's."""
    for account in ("default", "shop"):
        outbox.enqueue({"sender": "Acme", "to": number(1), "text": TEXT}, account=account)

    assert 1 == pace(outbox, "default", given=5).ahead


def test_a_backlog_that_was_drained_tells_a_rate(outbox: Outbox) -> None:
    """Messages that waited, and when they went, say how many go in a second."""
    outbox.broadcast({"sender": "Acme", "text": TEXT}, [number(at) for at in range(1_000)])
    _accepted(outbox, per_second=100)

    found = pace(outbox, "default", given=None)
    assert "measured" == found.known
    assert pytest.approx(100, rel=0.15) == found.rate


def _accepted(outbox: Outbox, per_second: int) -> None:
    """All rows as if they had been sent at this rate, each noted in the books as accepted."""
    client = outbox.scripts.client
    (rows_key,) = client.keys("cmq:*:rows:*")
    now = int(time.time())
    for at, (tail, row) in enumerate(client.hgetall(rows_key).items()):
        entry = struct.pack(">cBHI", b"A", 3, 0, now + 5 + at // per_second)
        client.hset(rows_key, tail, row[:1] + b"A" + row[2:7] + b"\x02" + row[8:20] + entry)
    (tally,) = client.keys("cmq:*:tally:*")
    client.hset(tally, mapping={"A": 1_000, "q": 0})


def test_a_trickle_tells_no_rate(outbox: Outbox) -> None:
    """Messages that went as they came say nothing of how fast more would go."""
    outbox.broadcast({"sender": "Acme", "text": TEXT}, [number(at) for at in range(1_000)])
    client = outbox.scripts.client
    (rows_key,) = client.keys("cmq:*:rows:*")
    for tail, row in client.hgetall(rows_key).items():
        entry = b"A\x03\0\0" + row[16:20]
        client.hset(rows_key, tail, row[:1] + b"A" + row[2:7] + b"\x02" + row[8:20] + entry)
    (tally,) = client.keys("cmq:*:tally:*")
    client.hset(tally, mapping={"A": 1_000, "q": 0})

    assert "assumed" == pace(outbox, "default", given=None).known


def test_nothing_is_left_open(tmp_path: Path) -> None:
    """A file of bad rows is closed with its block."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with BadFile(tmp_path / "x.csv", ()) as bad:
        bad.add(2, "no", [])

    assert before == len(list(Path("/proc/self/fd").iterdir()))
