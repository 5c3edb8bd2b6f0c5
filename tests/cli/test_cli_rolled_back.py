"""What the command line says and does after Redis went back in time."""

from __future__ import annotations

from typing import Any

import pytest
from command import Run

from cmqueue import Message, Outbox
from cmqueue.lane import Lane
from cmqueue.sweep import SweepRules
from cmqueue.watermark import Watermark


@pytest.fixture
def held(outbox: Outbox) -> str:
    """The id of a message that a rollback holds, set aside."""
    id = outbox.enqueue(Message(sender="Acme", to="+31600000001", text="Hi")).id
    partition = outbox.registry.partition("default")
    partition.watermark = Watermark("p", lambda *_: None)
    partition.watermark.told(1000, known=0, remembered=None)
    partition.sweep(SweepRules(), list(Lane))
    partition.claim("b", list(Lane), lease=60)
    return id


def holds_check(run: Run) -> dict[str, Any]:
    checks: list[dict[str, Any]] = run("doctor", "--json").json["checks"]
    return next(one for one in checks if one["name"] == "holds")


def test_doctor_fails_and_names_the_command(run: Run, held: str) -> None:
    """With how many are set aside."""
    found = holds_check(run)

    assert ("fail", "account default") == (found["level"], found["where"])
    assert "1 set aside" in found["found"]
    assert found["do"].endswith("cmqueue resume --rolled-back")


def test_explain_names_the_command(run: Run, held: str) -> None:
    """For a message that is held."""
    found = run("explain", held, "--json").json

    assert "Redis went back in time" in found["explanation"]
    assert ["cmqueue resume --rolled-back"] == found["commands"]


def test_the_books_balance_meanwhile(run: Run, held: str) -> None:
    """What is set aside is queued."""
    ran = run("audit", "--json")

    assert (0, {"queued": 1}) == (ran.code, ran.json["waiting"])


def test_resume(run: Run, held: str) -> None:
    """It lifts the hold; a second time there is none."""
    for said in ("what was held goes on\n", "no rollback holds anything\n"):
        ran = run("resume", "--rolled-back")
        assert (0, said) == (ran.code, ran.out)

    assert "ok" == holds_check(run)["level"]
    assert [] == run("explain", held, "--json").json["commands"]


def test_resuming_another_account(run: Run, held: str) -> None:
    """An account that never was is not found, and nothing goes on."""
    assert 1 == run("resume", "--rolled-back", "--account", "shop").code
    assert "fail" == holds_check(run)["level"]


@pytest.mark.parametrize("arguments", [(), ("normal", "--rolled-back")], ids=["neither", "both"])
def test_a_lane_or_the_rollback(run: Run, arguments: tuple[str, ...]) -> None:
    """One of the two must be named."""
    ran = run("resume", *arguments)

    assert 2 == ran.code
    assert "either a LANE or --rolled-back" in ran.err
