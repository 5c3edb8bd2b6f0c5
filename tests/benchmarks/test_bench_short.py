"""The short form of `make bench`: that it runs, and says what it must."""

from __future__ import annotations

import subprocess
import sys

import pytest
from harness import ROOT

from benchmarks.scale import SHORT
from benchmarks.targets import lines


def told(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.slow
def test_a_short_run_tells_each_of_its_lines() -> None:
    """Every line of the groups asked for, and none of the others, with whether it holds."""
    groups = ("enqueue", "start", "intake", "receipts")
    done = told("--short", *groups)

    assert 0 == done.returncode, done.stdout + done.stderr
    for line in lines(SHORT.memory):
        rows = [row for row in done.stdout.splitlines() if row.strip().startswith(f"{line.says} ")]
        assert (line.group in groups) is (len(rows) == 1), line.name
        if rows and line.target is not None:
            assert rows[0].rstrip().endswith(("holds", "short"))
    assert "targets hold" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("nothing",), ("--keep", "--short"), ("--keep", "start"), ("--runs", "0")]
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...]) -> None:
    """A group that is none, a result to keep of a part, no run at all: usage, and nothing starts."""
    assert 2 == told(*arguments).returncode
