"""`cmqueue import`: its options, its page, its answers."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest
from campaigns import HELLO, TEXT, Command, jobs, number, once_each, reached, rows
from harness import Ran

from cmqueue import Outbox
from cmqueue.campaign.run import Run
from cmqueue.campaign.source import Unreadable
from cmqueue.cli import main
from cmqueue.cli.import_page import span
from cmqueue.cli.progress import lines

IMPORT = ("import", "people.csv", "--from", "Acme", "--text", TEXT)
MIXED = f"number,first_name\n{number(1)},Zoë\noops,Bob\n{number(1)},Zoë\n{number(2)},Ann\n{number(3)}\n"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A file of ten good rows."""
    path = tmp_path / "people.csv"
    path.write_text(rows(10))
    return path


@pytest.fixture
def here(
    outbox: Outbox, people: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """A function that runs `cmqueue ARGUMENT...` in this process, beside `people`."""
    monkeypatch.setenv("CMQUEUE_REDIS_URL", outbox.settings.redis_url)
    monkeypatch.chdir(people.parent)

    def call(*arguments: str, **_: object) -> Ran:
        return Ran(main(arguments), *capsys.readouterr())

    return call


@pytest.fixture
def mixed(people: Path) -> Path:
    """A file with a bad row, a malformed one and a repeated number."""
    people.write_text(MIXED)
    return people


def test_import_enqueues_every_row(run: Command, outbox: Outbox, people: Path) -> None:
    """One message a row, and the numbers in a summary; without a terminal nobody is asked."""
    ran = run(*IMPORT)

    assert (0, "") == (ran.code, ran.err)
    assert once_each(10) == reached(outbox)
    assert "enqueued   10" in ran.out


def test_names_are_filled_in(run: Command, outbox: Outbox, people: Path) -> None:
    """Each message has its own text."""
    run("import", "people.csv", "--from", "Acme", "--text", HELLO)

    assert any(b"Hi Name 7, our shop" in job.content for job in jobs(outbox))


def test_a_dry_run_enqueues_nothing(run: Command, outbox: Outbox, mixed: Path, tmp_path: Path) -> None:
    """It tells what it found and keeps the bad rows; the exit code says that there are some."""
    ran = run(*IMPORT, "--dry-run")

    assert (1, "") == (ran.code, ran.err)
    assert 0 == outbox.audit().enqueued
    assert (tmp_path / "people.bad.csv").exists()


def test_a_dry_run_needs_no_redis(run: Command, people: Path) -> None:
    """Where Redis is away the finish rests on an assumption."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ran = run(*IMPORT, "--dry-run", CMQUEUE_REDIS_URL=f"redis://127.0.0.1:{port}/0")

    assert (0, True) == (ran.code, "an assumption" in ran.out)


def test_the_page(run: Command, mixed: Path) -> None:
    """All that was found, in 80 columns, with lines and reasons, and without a number or a text."""
    ran = run(*IMPORT[:5], HELLO + " " + "a" * 60, "--dry-run", "--rate", "50")

    said = " ".join(ran.out.split())
    for part in (
        'people.csv: CSV with commas, numbers in the column "number"',
        "rows 5: 3 good, 2 bad",
        "repeated 1 row with a number that came before: a number gets one message",
        "messages 2 in the lane bulk",
        "Unicode 1 message, 1 part more than without ë (U+00EB LATIN SMALL LETTER E WITH DIAERESIS) in 1",
        "countries +31 (NL) 2",
        "in no numbering plan",
        "at 50 a second, as you say",
        "bad rows, kept in people.bad.csv",
        "1 the number has a letter (line 3)",
        "1 the row has 1 cells, the header 2 (line 6)",
    ):
        assert part in said
    assert max(map(len, ran.out.splitlines())) <= 80
    assert not any(secret in ran.out for secret in ("31600000001", "600000", "oops", "Bob", "our shop"))


def test_the_same_as_json(run: Command, mixed: Path) -> None:
    """--json has every figure of the page, and the result."""
    told = run(*IMPORT, "--json", "--rate", "50").json

    before = told["preflight"]
    assert (5, 3, 2, 1, 2, 2) == tuple(
        before[name] for name in ("rows", "good", "bad", "repeated", "messages", "parts")
    )
    assert [{"reason": "the number has a letter", "rows": 1, "first_lines": [3]}] == before["reasons"][:1]
    assert ("given", 50.0) == (before["finish"]["rate_is"], before["finish"]["rate"])
    assert {"code": 31, "regions": ["NL"], "numbers": 2} == before["countries"][0]
    result = told["result"]
    assert ("done", 5, 2, 1, 0) == tuple(
        result[name] for name in ("ended", "rows", "enqueued", "before", "refused")
    )
    assert 16 == len(result["reference"])


def test_some_rows_were_bad(run: Command, outbox: Outbox, mixed: Path) -> None:
    """The good ones are enqueued all the same, and the exit code is 1."""
    assert (1, 2) == (run(*IMPORT).code, len(jobs(outbox)))


def test_no_row_is_good(run: Command, people: Path) -> None:
    """Then nothing is enqueued, and the error says so."""
    people.write_text("number\noops\n")
    ran = run(*IMPORT)

    assert (1, "cmqueue: no row is good: nothing was enqueued\n") == (ran.code, ran.err)


def test_run_again(run: Command, outbox: Outbox, people: Path) -> None:
    """A second run enqueues nothing, and says how to say it again on purpose."""
    run(*IMPORT)
    ran = run(*IMPORT)

    assert 0 == ran.code
    assert "Nothing was new. To say the same again, name another --campaign." in ran.out
    assert 10 == len(jobs(outbox))


def test_a_campaign_of_another_text(run: Command, outbox: Outbox, people: Path) -> None:
    """It is refused, and nothing is enqueued."""
    run(*IMPORT, "--campaign", "spring")
    ran = run(*IMPORT[:5], "Another text", "--campaign", "spring")

    assert (1, 10) == (ran.code, len(jobs(outbox)))
    assert ran.err.startswith("cmqueue: an import of this campaign was begun with another")


def test_from_standard_input(run: Command, outbox: Outbox) -> None:
    """- is read from standard input; its bad rows are kept only where --bad says."""
    ran = run("import", "-", *IMPORT[2:], stdin=MIXED.encode())

    assert (1, 2) == (ran.code, len(jobs(outbox)))
    assert "bad rows; --bad FILE keeps them" in ran.out


def test_json_lines(run: Command, outbox: Outbox, people: Path) -> None:
    """JSONL goes the same way, its names too."""
    people.write_text(
        "".join(json.dumps({"MSISDN": number(at), "first_name": "Ann"}) + "\n" for at in range(3))
    )
    ran = run("import", "people.csv", "--from", "Acme", "--text", HELLO)

    assert (0, 3) == (ran.code, len(jobs(outbox)))


def test_a_name_that_no_object_has(run: Command, people: Path) -> None:
    """In JSONL any row may lack a value, so a mistyped name would leave out its part for all: it is told."""
    people.write_text(f'{{"to": "{number(1)}", "first_name": "Ann"}}\n')
    text = "{^frist_name}Hi there{/frist_name}{#first_name}!{/first_name}"
    said = run("import", "people.csv", "--from", "Acme", "--text", text, "--dry-run").out

    assert "names      no row has frist_name; is it spelled so?" in said


def test_text_and_content_from_files(run: Command, outbox: Outbox, people: Path, tmp_path: Path) -> None:
    """A text file is a template without its last line break; a content file is a whole content."""
    (tmp_path / "text").write_text(HELLO + "\n")
    (tmp_path / "content").write_text('{"sender": "Shop", "text": "{as it is}", "max_parts": 2}')
    assert 0 == run("import", "people.csv", "--from", "Acme", "--text-file", "text").code
    assert 0 == run("import", "people.csv", "--content", "content").code

    contents = [job.content for job in jobs(outbox)]
    assert b'moves on Monday"' in contents[0]
    shared = outbox.scripts.client.hvals("cmq:{AA}:contents")
    assert b'"from":"Shop"' in shared[0]
    assert b'"{as it is}"' in shared[0]


def test_names_of_columns(run: Command, outbox: Outbox, people: Path) -> None:
    """--to names the numbers' column, --reference-column your own handles'."""
    people.write_text(f"mobile;order\n{number(1)};order-17\n")
    ran = run(*IMPORT, "--to", "mobile", "--reference-column", "ORDER")

    assert 0 == ran.code
    partition = outbox.registry.partition("default")
    ((key, _),) = partition.rows()
    status = outbox.status(partition.code + key)
    assert status is not None
    assert "order-17" == status.client_reference


def test_a_file_that_changes_while_it_is_enqueued(here: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells how far it came, as JSON too, for some of it was enqueued."""

    def changed(run: Run, *_: object, **_given: object) -> None:
        run.rows, run.enqueued = 7, 5
        raise Unreadable("people.csv was changed while it was read")

    monkeypatch.setattr(Run, "enqueue", changed)
    ran = here(*IMPORT, "--yes", "--json")

    assert (1, 5) == (ran.code, ran.json["result"]["enqueued"])
    assert "was changed while it was read, after 7 of 10 rows" in ran.err


@pytest.mark.parametrize(("file", "code"), [("people.csv", 0), ("-", 1)])
def test_without_a_standard_input(
    here: Command, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, file: str, code: int
) -> None:
    """Where it is closed nobody is asked, and there is nothing to read."""
    monkeypatch.setattr(sys, "stdin", None)

    assert code == here("import", file, *IMPORT[2:]).code
    assert (0 if code else 10) == outbox.audit().enqueued


def test_where_bad_rows_go(run: Command, mixed: Path, tmp_path: Path) -> None:
    """--bad names the file."""
    run(*IMPORT, "--bad", "elsewhere.csv")

    assert (tmp_path / "elsewhere.csv").exists()
    assert not (tmp_path / "people.bad.csv").exists()


WRONG_USAGE = {
    "nothing to say": IMPORT[:4],
    "two things to say": (*IMPORT, "--content", "x"),
    "no sender": ("import", "people.csv", "--text", TEXT),
    "no file": ("import", "--from", "Acme", "--text", TEXT),
    "unknown lane": (*IMPORT, "--lane", "fast"),
    "no rate": (*IMPORT, "--rate", "fast"),
    "rate of nothing": (*IMPORT, "--rate", "0"),
    "no such column": (*IMPORT, "--to", "handy"),
    "no such reference": (*IMPORT, "--reference-column", "order"),
    "no such name": (*IMPORT[:5], "Hi {firstname}"),
    "bad rows over the file": (*IMPORT, "--bad", "people.csv"),
    "bad rows nowhere": (*IMPORT, "--bad", "nowhere/x.csv"),
    "words": (*IMPORT, "the code is 4711"),
}


@pytest.mark.parametrize("case", WRONG_USAGE)
def test_wrong_usage(here: Command, outbox: Outbox, case: str) -> None:
    """It ends with 2 and one line that names the help; nothing is enqueued."""
    ran = here(*WRONG_USAGE[case])

    assert (2, 1) == (ran.code, ran.err.count("\n"))
    assert "see `cmqueue import --help`" in ran.err
    assert "4711" not in ran.err
    assert 0 == outbox.audit().enqueued


REFUSED = {
    "no such file": (("import", "+31600000001", *IMPORT[2:]), "FILE cannot be read"),
    "a folder": (("import", ".", *IMPORT[2:]), "FILE cannot be read"),
    "no such text": (
        ("import", "people.csv", "--from", "Acme", "--text-file", "x"),
        "--text-file cannot be read",
    ),
    "sender": (("import", "people.csv", "--from", "A" * 12, "--text", TEXT), "--from: "),
    "empty text": (("import", "people.csv", "--from", "Acme", "--text", ""), "--text: "),
    "template": (("import", "people.csv", "--from", "Acme", "--text", "{#a}"), "--text: has a section"),
    "naive time": ((*IMPORT, "--send-at", "2099-01-01T00:00:00"), "--send-at: "),
    "campaign": ((*IMPORT, "--campaign", "x" * 65), "--campaign: "),
    "content": (("import", "people.csv", "--content", "people.csv"), "--content: is not JSON"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(here: Command, outbox: Outbox, case: str) -> None:
    """It ends with 1 and one line that names the option, and repeats no number."""
    arguments, said = REFUSED[case]
    ran = here(*arguments)

    assert (1, 1) == (ran.code, ran.err.count("\n"))
    assert ran.err.startswith(f"cmqueue: {said}")
    assert "31600000001" not in ran.err
    assert 0 == outbox.audit().enqueued


def test_a_file_that_is_not_utf_8(run: Command, people: Path) -> None:
    """The error names the line, and what to do."""
    people.write_bytes("number,name\n+31600000001,é\n".encode("latin-1"))
    ran = run(*IMPORT)

    assert (1, "cmqueue: people.csv: line 2 is not UTF-8; save the file as UTF-8\n") == (ran.code, ran.err)


@pytest.mark.parametrize("package", ["pystache", "phonenumbers", "rich"])
def test_without_the_extra(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever of its packages is missing, the error says what to install."""
    monkeypatch.setitem(sys.modules, package, None)

    assert 1 == main(["import", "x", "--from", "A", "--text", "t"])
    assert "pip install 'cmqueue[campaign]'" in capsys.readouterr().err


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """One line in ten seconds, with the rate and the time that is left."""
    now = 0.0
    with lines("enqueueing", 1_000, clock=lambda: now) as told:
        for at in range(1, 26):
            now = float(at)
            told(at * 10)

    assert (
        "enqueueing: 100 of 1,000 rows, 10/s, 90 s left\nenqueueing: 200 of 1,000 rows, 10/s, 80 s left\n"
        == capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (89, "89 s"), (720, "12 min"), (12_000, "3 h 20 min"), (187_200, "2 d 4 h")],
)
def test_times_are_told_as_people_do(seconds: float, said: str) -> None:
    """The two largest units."""
    assert said == span(seconds)
