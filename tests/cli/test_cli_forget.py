"""`cmqueue forget`."""

from __future__ import annotations

from command import Run, message

from cmqueue import Outbox, State


def test_forget(run: Run, outbox: Outbox) -> None:
    """
    Says what was done with what was kept, without the number.
    """
    id = outbox.enqueue(message(1)).id
    ran = run("forget", "+31600000001")

    assert 0 == ran.code
    assert "cancelled  1 message, certainly not sent\n" in ran.out
    assert "31600" not in ran.out + ran.err
    assert [State.CANCELLED] == outbox.states([id])
    assert {"cancelled": 0, "unknown": 0, "dropped": 0, "in_hand": 0, "letters": 0} == run(
        "forget", "+31600000001", "--json"
    ).json


def test_no_number(run: Run) -> None:
    """
    What is none is refused, and not repeated.
    """
    ran = run("forget", "nobody")

    assert 1 == ran.code
    assert "nobody" not in ran.err
