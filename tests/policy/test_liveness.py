"""When a worker is called stuck."""

from __future__ import annotations

from worker.liveness import Liveness

LANE = ["bulk"]


def test_a_minute_without_a_claim_is_a_standstill() -> None:
    """Sixty seconds of a neglected backlog with a thread free, and not before."""
    watch = Liveness(lease=10)

    assert [False, False, True] == [
        watch.stuck(now, neglected=LANE, free=True, claimed_at=0) for now in (100, 159, 160)
    ]


def test_two_leases_count_when_they_are_longer() -> None:
    """With a lease of 50 s the patience is 100 s."""
    watch = Liveness(lease=50)

    assert [False, False, True] == [
        watch.stuck(now, neglected=LANE, free=True, claimed_at=0) for now in (0, 99, 100)
    ]


def test_any_sign_of_life_begins_anew() -> None:
    """No backlog, no free thread, a claim that was answered, or a Redis that was away: nobody is blamed."""
    for sign in ("backlog", "thread", "claim", "redis"):
        watch = Liveness(lease=10)
        watch.stuck(0, neglected=LANE, free=True, claimed_at=-1)
        if sign == "redis":
            watch.interrupted()
        watch.stuck(
            50,
            neglected=[] if sign == "backlog" else LANE,
            free=sign != "thread",
            claimed_at=40 if sign == "claim" else -1,
        )
        assert not watch.stuck(70, neglected=LANE, free=True, claimed_at=40 if sign == "claim" else -1), sign
