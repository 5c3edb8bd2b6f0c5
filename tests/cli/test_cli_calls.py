"""`cmqueue calls`: what handlers and callbacks failed to take."""

from __future__ import annotations

import pytest
from command import Run

from cmqueue import Event, Outbox, Subscription
from cmqueue.events.calls import Calls, Verdict

SHOP, TELL = "callback:shop", "handler:shop.events.tell"


def event(n: int) -> Event:
    return Event(id=f"evt_AA1700000000000-{n}_0", type="message.delivered", at=1.0, account="default")


def dead(outbox: Outbox, target: str, count: int) -> Calls:
    """A target with so many dead calls, and one that waits."""
    calls = Calls(outbox, target)
    calls.park([(event(n), 0.0, 0) for n in range(count)])
    for call in calls.take(count, 60) or ():
        calls.settle(call, Verdict.DEAD, why="500")
    calls.park([(event(count), 60.0, 0)])
    return calls


def test_how_targets_do(run: Run, outbox: Outbox) -> None:
    """A line each: open, paused or disabled, what waits and what is dead."""
    dead(outbox, TELL, 1).pause(1, [60])
    calls = dead(outbox, SHOP, 2)
    calls.park([(event(9), 0.0, 0)])
    calls.settle((calls.take(1, 60) or [])[0], Verdict.OFF, delay=60)

    shop, tell = run("calls", "status", "--json").json
    assert (SHOP, True, None, 2, 2) == tuple(
        shop[name] for name in ("target", "disabled", "paused_until", "waiting", "dead")
    )
    assert (TELL, False, 1, 1) == tuple(tell[name] for name in ("target", "disabled", "waiting", "dead"))
    assert tell["paused_until"].endswith("Z")
    head, *lines = run("calls", "status").out.splitlines()
    assert ["target", "is", "waiting", "dead"] == head.split()
    assert "disabled" in lines[0]
    assert "paused until" in lines[1]


def test_the_dead_are_listed(run: Run, outbox: Outbox) -> None:
    """By target; --of names one, --limit cuts."""
    dead(outbox, SHOP, 3)
    dead(outbox, TELL, 1)

    assert [SHOP] * 3 + [TELL] == [one["target"] for one in run("calls", "list", "--json").json]
    (one,) = run("calls", "list", "--of", TELL, "--json").json
    assert (event(0).id, "message.delivered", "500", 1) == tuple(
        one[name] for name in ("event", "type", "why", "attempts")
    )
    cut = run("calls", "list", "--limit", "2").out.splitlines()
    assert SHOP == cut[0]
    assert event(0).id in cut[1]
    assert "There are more than 2: --limit 0 lists all." == cut[-1]
    assert max(map(len, cut)) <= 80


def test_nothing_waits(run: Run) -> None:
    """It is said, with exit code 0."""
    assert (0, "No call was given up.\n") == (run("calls", "list").code, run("calls", "list").out)
    assert "No call ever waited.\n" == run("calls", "status").out


def test_redriving_some(run: Run, outbox: Outbox) -> None:
    """By the events' ids; one that is not dead makes the exit code 1."""
    calls = dead(outbox, SHOP, 3)
    ran = run("calls", "redrive", event(1).id, event(7).id)

    assert (1, f"{event(7).id}  not_found\n1 call will be tried again.\n") == (ran.code, ran.out)
    assert (2, 2) == (calls.standing().dead, calls.standing().waiting)


def test_redriving_all_of_one(run: Run, outbox: Outbox) -> None:
    """The others stay dead."""
    shop, tell = dead(outbox, SHOP, 3), dead(outbox, TELL, 2)
    ran = run("calls", "redrive", "--all", "--of", SHOP, "--json")

    assert (0, 3) == (ran.code, ran.json["redriven"])
    assert (0, 2) == (shop.standing().dead, tell.standing().dead)


@pytest.mark.parametrize(
    "arguments",
    [
        ["redrive"],
        ["redrive", "--all", "evt_AA1-0_0"],
        ["redrive", "+31600000987"],
        ["list", "--of", "+31600000987"],
        ["resume", "+31600000987"],
        ["end"],
    ],
)
def test_wrong_usage(run: Run, arguments: list[str]) -> None:
    """Exit code 2, and no value is repeated."""
    ran = run("calls", *arguments)

    assert 2 == ran.code
    assert "600000987" not in ran.err


def test_a_target_is_let_go_on(run: Run, outbox: Outbox) -> None:
    """Once; one that never had a call is not known."""
    dead(outbox, SHOP, 1).pause(1, [600])

    assert f"{SHOP} goes on\n" == run("calls", "resume", SHOP).out
    assert f"{SHOP} was not held\n" == run("calls", "resume", SHOP).out
    assert 1 == run("calls", "resume", TELL).code


def test_a_target_is_ended(run: Run, outbox: Outbox) -> None:
    """Its subscription, what waits, and the dead."""
    outbox.registry.partition("default")
    Subscription(outbox, SHOP).open()
    calls = dead(outbox, SHOP, 1)

    assert 0 == run("calls", "end", SHOP).code
    assert (0, 0) == (calls.standing().dead, calls.standing().waiting)
    assert [] == outbox.scripts.client.keys("cmq:{AA}:events")


def test_a_mistyped_target_is_told(run: Run, outbox: Outbox) -> None:
    """There is nothing to end; the exit code is 1."""
    ran = run("calls", "end", "handler:nope")

    assert (1, "") == (ran.code, ran.out)
    assert "no such handler or endpoint" in ran.err
