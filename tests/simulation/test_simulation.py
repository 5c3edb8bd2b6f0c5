"""The promise, in worlds of their own: each seed another mixture of faults, and always the same one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from simulation import run

from demo.valkey import RunningServer
from worker.journal import Journal

HERE = Path(__file__).resolve().parent
#: The seeds in which each mistake must be found; the rarest shows in about one of sixty.
ENOUGH = range(121, 361)


def test_every_world_keeps_the_promise(
    valkey: RunningServer, seed: str, record_property: Callable[[str, object], None]
) -> None:
    """
    Nothing is lost, doubled or late, and everything ends once the faults do, whatever happens on the way.
    """
    found = run(seed, valkey.url)
    record_property("transcript", "\n".join(found.transcript))

    assert [] == found.broken, f'replay it with: make test ARGS="tests/simulation --seed {seed}"'


def test_a_seed_replays_exactly(private_valkey: RunningServer) -> None:
    """
    Two runs of a seed tell the same story, byte for byte, also in another process with other hashes.
    """
    transcript = "\n".join(run("4711", private_valkey.url).transcript)
    again = "\n".join(run("4711", private_valkey.url).transcript)
    elsewhere = subprocess.run(
        [sys.executable, HERE, "4711"],
        env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert transcript == again
    assert transcript + "\n" == elsewhere.stdout


def _found(url: str, says: str, mutate: Callable[[str, str], str] = lambda _, text: text) -> bool:
    """Whether a law that speaks of `says` is broken in one of the worlds."""
    return any(says in broken for seed in ENOUGH for broken in run(str(seed), url, mutate).broken)


@pytest.mark.parametrize(
    ("script", "right", "wrong", "says"),
    [
        pytest.param("sweep", "about[2] == 'posting'", "false", "at_most_once", id="doubt is not seen"),
        pytest.param("mark", "or not call('ZSCORE', key('leases'), id)", "", "the books", id="no fencing"),
        pytest.param("claim", "if gate[1] then", "if false then", "closed gate", id="no brake"),
        pytest.param("mark", "elseif is_late then", "elseif false then", "its end", id="no expiry"),
        pytest.param("enqueue", "~= bucket .. tail", "== ''", "several ids", id="keys are ignored"),
        pytest.param("claim", "buried[i] == 1", "false", "the books", id="what is cancelled goes on"),
    ],
)
def test_a_mistake_in_a_script_is_found(
    valkey: RunningServer, script: str, right: str, wrong: str, says: str
) -> None:
    """
    Worlds with a script that is wrong break a law: the simulation looks where it hurts.
    """

    def mutate(name: str, text: str) -> str:
        if name != script:
            return text
        assert right in text
        return text.replace(right, wrong)

    assert _found(valkey.url, says, mutate)


def test_doubt_that_is_not_told_first_is_found(
    valkey: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A worker that resends without a line about its doubt breaks a law.
    """
    monkeypatch.setattr(Journal, "lease_lost", lambda *_: None)

    assert _found(valkey.url, "its doubt was not recorded first")
