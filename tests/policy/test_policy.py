"""The long clock."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmqueue.settlement import Settlement
from cmqueue.state import Reason, State
from worker.outcome import Accepted, Ambiguous, Deferred, Rejected, Untaken
from worker.policy import (
    LONGEST_HEEDED,
    Accept,
    Bury,
    Disposition,
    Doubt,
    GiveBack,
    Park,
    Reject,
    RetryRules,
    Standing,
    decide,
    settlement,
)

RULES = RetryRules(
    schedule=(5, 30, 120, 600, 1800, 3600, 7200),
    max_attempts=8,
    overload_floor=5,
    reconcile_seconds=120,
    max_resends=3,
)
FRESH = Standing(attempts=0, resends=0, at_least_once=False)
DEFERRED = Deferred(Reason.RETRY_REJECTED, 500)
MIDDLE = 0.5  # the draw that leaves a step as it is

DRAWS = st.floats(0, 1, exclude_max=True)
STANDINGS = st.builds(
    Standing,
    attempts=st.integers(0, 255),
    resends=st.integers(0, 255),
    at_least_once=st.booleans(),
    resend_after=st.none() | st.floats(0, 3600),
)
RULESETS = st.builds(
    RetryRules,
    schedule=st.lists(st.floats(0.1, 86400), min_size=1, max_size=8).map(tuple),
    max_attempts=st.integers(1, 20),
    overload_floor=st.floats(0, 60),
    reconcile_seconds=st.floats(0, 86400),
    max_resends=st.integers(0, 10),
)
UNTAKEN = st.builds(
    Untaken,
    st.sampled_from(
        [Reason.NOT_CONNECTED, Reason.OVERLOADED, Reason.ACCOUNT_STOPPED, Reason.REQUEST_REFUSED]
    ),
    st.integers(0, 999),
    st.none() | st.floats(0, 86400),
)
AMBIGUOUS = st.builds(Ambiguous, st.sampled_from(Reason), st.integers(0, 65535))


@pytest.mark.parametrize(("attempts", "step"), list(enumerate(RULES.schedule)))
def test_each_attempt_waits_its_step(attempts: int, step: float) -> None:
    """
    After the first attempt the first step, after the second the second.
    """
    standing = Standing(attempts=attempts, resends=0, at_least_once=False)

    assert Park(step, Reason.RETRY_REJECTED, 500, counts=True) == decide(DEFERRED, standing, RULES, MIDDLE)


def test_the_last_step_repeats() -> None:
    """
    Past the schedule's end its last step repeats, until the attempts are used up.
    """
    rules = RetryRules(
        schedule=(5, 30), max_attempts=8, overload_floor=5, reconcile_seconds=120, max_resends=3
    )
    delays = [
        decide(DEFERRED, Standing(attempts=n, resends=0, at_least_once=False), rules, MIDDLE)
        for n in range(1, 7)
    ]

    assert [Park(30, Reason.RETRY_REJECTED, 500, counts=True)] * 6 == delays


@given(st.integers(0, 255), RULESETS, DRAWS)
def test_nothing_is_retried_past_the_last_attempt(attempts: int, rules: RetryRules, draw: float) -> None:
    """
    The attempt that uses up `max_attempts` ends in dead, every earlier one in a retry.
    """
    standing = Standing(attempts=attempts, resends=0, at_least_once=True)
    found = decide(DEFERRED, standing, rules, draw)

    assert (attempts + 1 >= rules.max_attempts) == (found == Bury(Reason.ATTEMPTS_EXHAUSTED, 500))


@given(STANDINGS, RULESETS, DRAWS)
def test_a_step_moves_by_a_fifth_at_most(standing: Standing, rules: RetryRules, draw: float) -> None:
    """
    A retry comes within 20 % of its step.
    """
    found = decide(Untaken(Reason.NOT_CONNECTED), standing, rules, draw)
    step = rules.schedule[min(standing.attempts, len(rules.schedule) - 1)]

    assert isinstance(found, Park)
    assert step * 0.799 <= found.delay <= step * 1.201


@given(UNTAKEN, STANDINGS, RULESETS, DRAWS)
def test_what_was_not_taken_burns_no_attempt(
    outcome: Untaken, standing: Standing, rules: RetryRules, draw: float
) -> None:
    """
    Refusals, connections that never stood, stopped accounts and refused requests cost a message nothing.
    """
    found = settlement(decide(outcome, standing, rules, draw))

    assert not found.counts
    assert not found.state.finished


@given(st.none() | st.floats(0, 86400), STANDINGS, RULESETS, DRAWS)
def test_a_refusal_is_heeded(wait: float | None, standing: Standing, rules: RetryRules, draw: float) -> None:
    """
    Never sooner than Retry-After, up to 15 minutes of it, nor than the floor where it names none.
    """
    found = decide(Untaken(Reason.OVERLOADED, 429, wait), standing, rules, draw)
    step = rules.schedule[min(standing.attempts, len(rules.schedule) - 1)]
    least = rules.overload_floor if wait is None else min(wait, LONGEST_HEEDED)

    assert isinstance(found, Park)
    assert least <= found.delay <= max(least, step * 1.201)


@pytest.mark.parametrize("reason", [Reason.ACCOUNT_STOPPED, Reason.REQUEST_REFUSED])
def test_a_stop_gives_back(reason: Reason) -> None:
    """
    A stopped account and a refused request leave the message in its lane.
    """
    assert GiveBack(reason, 101) == decide(Untaken(reason, 101), FRESH, RULES, MIDDLE)  # type: ignore[arg-type]


@given(AMBIGUOUS, STANDINGS, RULESETS, DRAWS)
def test_doubt_is_never_parked(
    outcome: Ambiguous, standing: Standing, rules: RetryRules, draw: float
) -> None:
    """
    What may have been sent is recorded as ambiguous first, whatever its guarantee.
    """
    found = decide(outcome, standing, rules, draw)

    assert isinstance(found, Doubt)
    assert found.window in {standing.resend_after, rules.reconcile_seconds}


@pytest.mark.parametrize(
    ("window", "standing"),
    [
        (120, FRESH),
        (120, Standing(attempts=0, resends=0, at_least_once=False, resend_after=5)),
        (5, Standing(attempts=0, resends=0, at_least_once=True, resend_after=5)),
        (5, Standing(attempts=0, resends=2, at_least_once=True, resend_after=5)),
        (120, Standing(attempts=0, resends=3, at_least_once=True, resend_after=5)),
        (120, Standing(attempts=0, resends=0, at_least_once=True)),
    ],
)
def test_how_long_doubt_lasts(window: float, standing: Standing) -> None:
    """
    At least once waits its lane's time, while a resend is left; all else waits the whole window.
    """
    outcome = Ambiguous(Reason.READ_TIMEOUT, 0)

    assert Doubt(window, Reason.READ_TIMEOUT, 0) == decide(outcome, standing, RULES, MIDDLE)


def test_what_cm_decided_stands() -> None:
    """
    Accepted is accepted, rejected is rejected.
    """
    assert Accept(2) == decide(Accepted(2), FRESH, RULES, MIDDLE)
    assert Reject(303) == decide(Rejected(303), FRESH, RULES, MIDDLE)


@pytest.mark.parametrize("attempts", [3, 6])
def test_long_steps_spread(attempts: int) -> None:
    """
    10,000 messages that failed together do not come back together: no second gets three times the mean.
    """
    chance = random.Random(4711)
    standing = Standing(attempts=attempts, resends=0, at_least_once=False)
    seconds: Counter[int] = Counter()
    for _ in range(10_000):
        found = decide(DEFERRED, standing, RULES, chance.random())
        assert isinstance(found, Park)
        seconds[int(found.delay)] += 1
    width = RULES.schedule[attempts] * 0.4

    # Chance alone lifts the fullest of thousands of small buckets: four of its deviations are allowed for.
    mean = 10_000 / width
    assert max(seconds.values()) <= 3 * mean + 4 * mean**0.5


@pytest.mark.parametrize(
    ("expected", "disposition"),
    [
        (Settlement(State.ACCEPTED, Reason.ACCEPTED, parts=2), Accept(2)),
        (Settlement(State.REJECTED, Reason.REJECTED, 303), Reject(303)),
        (Settlement(State.DEAD, Reason.ATTEMPTS_EXHAUSTED, 500), Bury(Reason.ATTEMPTS_EXHAUSTED, 500)),
        (
            Settlement(State.SCHEDULED, Reason.RETRY_REJECTED, 500, delay_ms=4500),
            Park(4.5, Reason.RETRY_REJECTED, 500, counts=True),
        ),
        (
            Settlement(State.SCHEDULED, Reason.OVERLOADED, 429, counts=False, delay_ms=5000),
            Park(5.0, Reason.OVERLOADED, 429, counts=False),
        ),
        (
            Settlement(State.AMBIGUOUS, Reason.READ_TIMEOUT, delay_ms=120_000),
            Doubt(120, Reason.READ_TIMEOUT, 0),
        ),
        (
            Settlement(State.QUEUED, Reason.ACCOUNT_STOPPED, 101, counts=False),
            GiveBack(Reason.ACCOUNT_STOPPED, 101),
        ),
    ],
)
def test_dispositions_reach_the_outbox(expected: Settlement, disposition: Disposition) -> None:
    """
    Each disposition has its settlement.
    """
    assert expected == settlement(disposition)


@given(st.floats(0, 1e12))
def test_any_delay_can_be_settled(delay: float) -> None:
    """
    However long a setting makes a wait, it fits into a settlement.
    """
    assert settlement(Park(delay, Reason.NOT_CONNECTED, 0, counts=False)).pack()


@pytest.mark.parametrize("schedule", [(), (5, 0), (-1,)])
def test_a_schedule_has_steps(schedule: tuple[float, ...]) -> None:
    """
    Rules with an empty schedule, or a step of no time, refuse to exist.
    """
    with pytest.raises(ValueError, match="schedule"):
        RetryRules(schedule=schedule, max_attempts=8, overload_floor=5, reconcile_seconds=120, max_resends=3)
