"""`cmqueue unknown`, and the forecast of duplicates below it."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from command import DEAD, End, Run, here, message
from harness import COMMAND

from cmqueue import Outbox, State
from cmqueue.forecast import ENOUGH, Experience, experience, forecast
from cmqueue.graveyard import graves
from cmqueue.lane import Lane
from cmqueue.report import Report, merge
from cmqueue.settlement import Settlement
from cmqueue.state import Reason
from cmqueue.sweep import SweepRules
from demo.valkey import RunningServer


def doubted(outbox: Outbox, end: End, count: int = 1, reason: Reason = Reason.READ_TIMEOUT) -> list[str]:
    """References of `count` messages whose doubt has ended: they are unknown."""
    queued = [outbox.enqueue(message(last)) for last in range(count)]
    end(Settlement(State.AMBIGUOUS, reason))
    outbox.registry.partition("default").sweep(SweepRules(), tuple(Lane))
    return [receipt.reference for receipt in queued]


def delivered(outbox: Outbox, references: list[str]) -> None:
    """CM reports them after all."""
    reports = [Report(reference, f"00316000000{at:02}", 2) for at, reference in enumerate(references)]
    assert None not in merge(outbox, reports)


def ids(outbox: Outbox) -> list[str]:
    return [one.id for one in graves(outbox, State.UNKNOWN)]


def test_the_unknown_are_listed(run: Run, outbox: Outbox, end: End) -> None:
    """With what the doubt is about, which is not why it ended; the dead are not among them."""
    outbox.enqueue(message(7))
    end(DEAD)
    doubted(outbox, end)
    (listed,) = run("unknown", "list", "--json").json

    assert ("unknown", "read_timeout", "window_ended") == tuple(
        listed[name] for name in ("state", "doubt", "reason")
    )


def test_the_list_reads_well(run: Run, outbox: Outbox, end: End) -> None:
    """The longest reason there is fits into a line of 80 columns."""
    doubted(outbox, end, reason=Reason.UNREADABLE_ANSWER)
    lines = run("unknown", "list").out.splitlines()

    assert ["id", "unknown", "since", "lane", "doubt"] == lines[0].split()
    assert lines[1].startswith(ids(outbox)[0])
    assert lines[1].endswith("normal  unreadable_answer")
    assert max(map(len, lines)) <= 80


def test_a_redrive_says_what_it_may_double(run: Run, outbox: Outbox, end: End) -> None:
    """Of doubts like these CM had all that were settled: so all are counted as doubled."""
    delivered(outbox, doubted(outbox, end, ENOUGH))
    doubted(outbox, end, 3)
    ran = run("unknown", "redrive", "--all", "--dry-run")

    assert (0, "") == (ran.code, ran.err)
    assert ["read_timeout", "3", str(ENOUGH), str(ENOUGH), "3"] == ran.out.splitlines()[1].split()
    assert "By this 3 of 3 messages would arrive twice." in ran.out
    assert ran.out.endswith("3 messages would be redriven: 3 normal.\n")
    assert max(map(len, ran.out.splitlines())) <= 80
    assert 3 == len(ids(outbox))


def test_too_little_experience_is_said(run: Run, outbox: Outbox, end: End) -> None:
    """One settled doubt less, or doubts of another reason, tell nothing: all may arrive twice."""
    delivered(outbox, doubted(outbox, end, ENOUGH - 1))
    delivered(outbox, doubted(outbox, end, ENOUGH, Reason.SERVER_ERROR))
    doubted(outbox, end, 2)
    ran = run("unknown", "redrive", "--all", "--dry-run")

    assert "all 2" in ran.out
    assert "Up to 2 of 2 messages may arrive twice" in ran.out


def test_a_doubt_that_cm_had_not_taken_counts_against_it(outbox: Outbox, end: End) -> None:
    """A late answer that refuses the message proves that a redrive would not have doubled it."""
    delivered(outbox, doubted(outbox, end, 10))
    doubted(outbox, end, 30)
    partition = outbox.registry.partition("default")
    refused = Settlement(State.REJECTED, Reason.LATE_ANSWER, code=303)
    partition.prove([(id[2:], refused) for id in ids(outbox)])
    doubted(outbox, end, 6)

    (line,) = forecast(graves(outbox, State.UNKNOWN), experience(outbox))
    assert (6, 40, 10, 2) == (line.messages, line.settled, line.taken, line.doubled)


def test_what_was_sent_again_proves_nothing(run: Run, outbox: Outbox, end: End) -> None:
    """A receipt after a redrive may be of the second sending."""
    references = doubted(outbox, end, 2)
    assert 0 == run("unknown", "redrive", "--all", "--yes").code
    end(Settlement(State.AMBIGUOUS, Reason.READ_TIMEOUT))
    delivered(outbox, references)

    assert 0 == experience(outbox).settled.total()


def test_the_look_back_is_bounded(outbox: Outbox, end: End) -> None:
    """An installation of millions does not wait for minutes."""
    delivered(outbox, doubted(outbox, end, 30))

    seen = experience(outbox, most_rows=10)
    assert isinstance(seen, Experience)
    assert (10, 10) == (seen.rows, seen.settled.total())


def test_redriven_by_id(run: Run, outbox: Outbox, end: End) -> None:
    """It waits again under its id, and the books balance."""
    doubted(outbox, end, 2)
    known, other = ids(outbox)
    ran = run("unknown", "redrive", "--yes", "--json", known, "B" * 26)

    assert (1, 1) == (ran.code, ran.json["redriven"])
    assert [(known, "redriven"), ("B" * 26, "not_found")] == [
        (result["id"], result["result"]) for result in ran.json["results"]
    ]
    assert {"messages": 1, "doubled": 1} == {
        name: ran.json["forecast"][name] for name in ("messages", "doubled")
    }
    assert [other] == ids(outbox)
    assert outbox.audit().balanced


def test_without_a_terminal_it_needs_yes(run: Run, outbox: Outbox, end: End) -> None:
    """A script that doubles messages must say so."""
    doubted(outbox, end)
    ran = run("unknown", "redrive", "--all")

    assert (1, 1) == (ran.code, len(ids(outbox)))
    assert ran.err.endswith("without a terminal it needs --yes\n")


@pytest.mark.parametrize(("answer", "left", "code"), [("y", 0, 0), ("n", 1, 1), ("", 1, 1)])
def test_at_a_terminal_it_asks(
    valkey: RunningServer, outbox: Outbox, end: End, tmp_path: Path, answer: str, left: int, code: int
) -> None:
    """Anything but yes leaves all as it was."""
    doubted(outbox, end)
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    ended = subprocess.run(
        [COMMAND, "unknown", "redrive", "--all"], env=os.environ | here(valkey), cwd=tmp_path, stdin=theirs,
        capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)

    assert (code, left) == (ended.returncode, len(ids(outbox)))
    assert b"Redrive 1 message, doubling up to 1? [y/N]" in ended.stderr


def test_nothing_is_unknown(run: Run) -> None:
    """That is no error, and nothing is asked."""
    for arguments in (["list"], ["redrive", "--all"]):
        ran = run("unknown", *arguments)
        assert (0, "Nothing is unknown.\n", "") == (ran.code, ran.out, ran.err)
