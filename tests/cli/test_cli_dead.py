"""`cmqueue dead`, `cmqueue resume`, and the graveyard and the holds below them."""

from __future__ import annotations

import pytest
from command import DEAD, DOUBTED, End, Run, message

from cmqueue import Outbox, State
from cmqueue.gate import Endpoint
from cmqueue.graveyard import PAGE, Grave, NoGrave, grave, graves, redrive
from cmqueue.hold import holds, resume
from cmqueue.lane import Lane
from cmqueue.sweep import SweepRules


def buried(outbox: Outbox, end: End, count: int = 1, lane: str = "normal") -> list[str]:
    """Ids of `count` dead messages."""
    ids = [outbox.enqueue(message(last), lane=lane).id for last in range(count)]
    end(DEAD, Lane(lane))
    return ids


def state(outbox: Outbox, known: str) -> State | None:
    status = outbox.status(known)
    return status and status.state


def test_the_dead_are_listed(run: Run, outbox: Outbox, end: End) -> None:
    """
    `dead list --json` has id, lane, reason, code and time of death of each.
    """
    (known,) = buried(outbox, end)
    (listed,) = run("dead", "list", "--json").json

    assert (known, "default", "normal", "attempts_exhausted", 304, 1) == tuple(
        listed[name] for name in ("id", "account", "lane", "reason", "code", "attempts")
    )
    status = outbox.status(known)
    assert status is not None
    assert status.as_json()["history"][-1]["at"] == listed["ended_at"]


def test_only_the_dead_are_listed(outbox: Outbox, end: End) -> None:
    """
    The unknown are kept too, but are not dead.
    """
    outbox.enqueue(message())
    end(DOUBTED)
    outbox.registry.partition("default").sweep(SweepRules(), tuple(Lane))

    assert (0, 1) == (len(list(graves(outbox))), len(list(graves(outbox, State.UNKNOWN))))


def test_the_list_reads_well(run: Run, outbox: Outbox, end: End) -> None:
    """
    Without --json the dead stand in a table of at most 80 columns.
    """
    (known,) = buried(outbox, end)
    head, line = run("dead", "list").out.splitlines()

    assert ["id", "died", "at", "lane", "reason", "code"] == head.split()
    assert line.startswith(known)
    assert line.endswith("normal  attempts_exhausted  304")
    assert max(len(head), len(line)) <= 80


def test_a_long_list_is_cut(run: Run, outbox: Outbox, end: End) -> None:
    """
    --limit bounds the list, and the last line says that there are more.
    """
    buried(outbox, end, 3)

    assert (
        "There are more than 2: --limit 0 lists all."
        == run("dead", "list", "--limit", "2").out.splitlines()[-1]
    )
    assert 3 == len(run("dead", "list", "--limit", "0", "--json").json)


def test_nothing_is_dead(run: Run) -> None:
    """
    An empty graveyard is no error.
    """
    ran = run("dead", "list")

    assert (0, "Nothing is dead.\n") == (ran.code, ran.out)


def test_redriven_by_id(run: Run, outbox: Outbox, end: End) -> None:
    """
    A redriven message waits again under the same id, its attempts forgotten and its history kept.
    """
    known, other = buried(outbox, end, 2)
    ran = run("dead", "redrive", known)

    assert (0, f"{known}  redriven\n") == (ran.code, ran.out)
    status = outbox.status(known)
    assert status is not None
    assert (State.QUEUED, 0) == (status.state, status.attempts)
    assert ["queued", "dead", "queued"] == [entry.state for entry in status.history]
    assert State.DEAD is state(outbox, other)
    assert outbox.audit().balanced


def test_redriven_all(run: Run, outbox: Outbox, end: End) -> None:
    """
    --all redrives every dead message of every lane.
    """
    ids = buried(outbox, end, 2) + buried(outbox, end, 1, "bulk")
    ran = run("dead", "redrive", "--all")

    assert (0, "3 messages redriven: 1 bulk, 2 normal.\n") == (ran.code, ran.out)
    assert {State.QUEUED} == {state(outbox, known) for known in ids}


def test_redriven_by_lane(run: Run, outbox: Outbox, end: End) -> None:
    """
    --all --lane redrives those of one lane.
    """
    (normal,), (bulk,) = buried(outbox, end), buried(outbox, end, 1, "bulk")
    run("dead", "redrive", "--all", "--lane", "bulk")

    assert (State.DEAD, State.QUEUED) == (state(outbox, normal), state(outbox, bulk))


@pytest.mark.parametrize("chosen", ["all", "id"])
def test_a_dry_run_changes_nothing(run: Run, outbox: Outbox, end: End, chosen: str) -> None:
    """
    --dry-run says what would be redriven, and redrives nothing.
    """
    (known,) = buried(outbox, end)
    ran = run("dead", "redrive", "--dry-run", *(["--all"] if chosen == "all" else [known]))

    assert 0 == ran.code
    assert "would be redriven" in ran.out
    assert State.DEAD is state(outbox, known)


def test_what_cannot_be_redriven(run: Run, outbox: Outbox, end: End) -> None:
    """
    Each id that was not redriven says why, and the exit code is 1.
    """
    (dead,) = buried(outbox, end)
    waiting = outbox.enqueue(message(2)).id
    ran = run("dead", "redrive", "--json", dead, waiting, "B" * 26, "+31600000001")

    assert (1, 1, False) == (ran.code, ran.json["redriven"], ran.json["dry_run"])
    assert [
        (dead, "redriven"),
        (waiting, "other_state"),
        ("B" * 26, "not_found"),
        ("(not an id)", "not_found"),
    ] == [(result["id"], result["result"]) for result in ran.json["results"]]


def test_what_was_forgotten(outbox: Outbox, end: End) -> None:
    """
    A dead message whose content is no longer kept says so.
    """
    (known,) = buried(outbox, end)
    outbox.scripts.client.zrem("cmq:{AA}:kept", known[2:])

    assert NoGrave.FORGOTTEN is grave(outbox, known)


@pytest.mark.parametrize("arguments", [[], ["--all", "A" * 26], ["A" * 26, "--lane", "bulk"]])
def test_redrive_must_be_told_what(run: Run, arguments: list[str]) -> None:
    """
    Neither ids nor --all, both of them, or a lane without --all, is wrong usage.
    """
    assert 2 == run("dead", "redrive", *arguments).code


def test_the_time_that_the_redriven_have(outbox: Outbox, end: End) -> None:
    """
    A redriven message lives for `expires_in` from now, else for its lane's maximum age.
    """
    one, other = buried(outbox, end, 2)
    now = float(outbox.scripts.client.time()[0])
    for known, life in ((one, 60), (other, None)):
        found = grave(outbox, known)
        assert isinstance(found, Grave)
        assert [[known]] == list(redrive(outbox, [found], expires_in=life))

    lives = [status.expires_at - now for status in map(outbox.status, (one, other)) if status]
    assert [60, Lane.NORMAL.rules.maximum_age] == pytest.approx(lives, abs=5)


def test_a_redrive_wakes_the_lane(outbox: Outbox, end: End) -> None:
    """
    Redriven messages are drained at once: the lane's wake-up goes to the broker.
    """
    buried(outbox, end)
    outbox.scripts.client.delete("cmq:{AA}:wake:n", "cmqueue:normal")
    list(redrive(outbox, graves(outbox)))

    assert 1 == outbox.scripts.client.llen("cmqueue:normal")


def test_more_than_a_page(outbox: Outbox, end: End) -> None:
    """
    Thousands are redriven in portions, each once, the list read while they go.
    """
    count = 2 * PAGE + 1
    list(outbox.enqueue_many({"sender": "A", "to": f"+3160000{n:04}", "text": "x"} for n in range(count)))
    for _ in range(2):
        end(DEAD)
    chosen = list(graves(outbox))
    done = [known for portion in redrive(outbox, [*chosen, *chosen]) for known in portion]

    assert count == len(set(done)) == len(done)
    assert [] == list(graves(outbox))
    assert outbox.audit().balanced


def test_a_stopped_lane_goes_on(run: Run, outbox: Outbox, end: End) -> None:
    """
    `resume` takes the hold off a lane that a refused request has stopped, and wakes it.
    """
    outbox.enqueue(message())
    end(DEAD, stop_lane=True)
    outbox.scripts.client.delete("cmq:{AA}:wake:n", "cmqueue:normal")
    assert [(Lane.NORMAL, "stopped")] == [(hold.lane, hold.why.partition(":")[0]) for hold in holds(outbox)]
    ran = run("resume", "normal")

    assert (0, "normal goes on\n") == (ran.code, ran.out)
    assert [] == holds(outbox)
    assert 1 == outbox.scripts.client.llen("cmqueue:normal")


def test_resuming_twice(run: Run, outbox: Outbox) -> None:
    """
    A lane that is not held stays so: nothing is wrong.
    """
    outbox.enqueue(message())
    ran = run("resume", "normal")

    assert (0, "normal was not held\n") == (ran.code, ran.out)


def test_resuming_another_accounts_lane(run: Run, outbox: Outbox, end: End) -> None:
    """
    A lane is resumed in the account that was named; an account that never was is not found.
    """
    outbox.enqueue(message())
    end(DEAD, stop_lane=True)

    assert 1 == run("resume", "normal", "--account", "shop").code
    assert 1 == len(holds(outbox))


def test_every_shard_is_resumed(outbox: Outbox) -> None:
    """
    An account's lane is held off in each of its shards.
    """
    for shard in (0, 1):
        partition = outbox.registry.partition("default", shard)
        outbox.scripts.client.hset(partition.prefix + "pauses", "n", "stopped:x")

    assert resume(outbox, Lane.NORMAL, "default")
    assert [] == holds(outbox)


def test_a_stopped_account_is_a_hold(outbox: Outbox, end: End) -> None:
    """
    An account whose token CM refuses is held as a whole, with the code and the next probe.
    """
    outbox.enqueue(message())
    end(DEAD, endpoint=Endpoint("stopped", "101"))
    (hold,) = holds(outbox)

    assert ("default", "AA", None, "stopped:101") == hold[:4]
    assert hold.until > float(outbox.scripts.client.time()[0])
