"""The short form of `make chaos`: one round of the worst, each with its books."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from harness import ROOT

pytestmark = pytest.mark.slow

WORST = (
    "crash-mid_post",
    "crash-before_settle",
    "kill-any-moment",
    "redis-killed",
    "network-cut",
    "endpoint-faults",
    "answers-dropped",
    "answers-dropped-api",
)


@pytest.mark.parametrize("name", WORST)
def test_every_promise_is_kept(name: str, tmp_path: Path) -> None:
    """Lost 0, repeats at at_most_once 0, every other repeat recorded first, recovery in time."""
    command = [sys.executable, "-m", "chaos", name, "--rounds", "1", "--rate", "80"]
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "outcome.json")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    (outcome,) = json.loads((tmp_path / "outcome.json").read_text())
    books = outcome["books"]
    assert (0, 0, 0) == (books["lost"], books["duplicates_at_most_once"], books["unrecorded"])
    assert books["messages"] > 100
