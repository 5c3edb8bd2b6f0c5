"""What becomes of a call after a try, and how long a target pauses."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receivers.callbacks.schedule import (
    Answered,
    Dead,
    Done,
    Off,
    Outcome,
    Retry,
    Unanswered,
    after_failure,
    decide,
    doubling,
)

SCHEDULE = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0)

chances = st.floats(0, 1, exclude_max=True)
failures = st.integers(0, len(SCHEDULE) - 1)
statuses = st.integers(100, 599)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answered(200), Done()),
        (Answered(204), Done()),
        (Answered(299), Done()),
        (Answered(410), Off("410")),
        (Answered(302), Retry(5.0, "302")),
        (Answered(400), Retry(5.0, "400")),
        (Answered(429, 7.0), Retry(7.0, "429")),
        (Answered(500), Retry(5.0, "500")),
        (Unanswered("TimeoutError"), Retry(5.0, "TimeoutError")),
        (Unanswered("AddressRefused"), Retry(5.0, "AddressRefused")),
    ],
    ids=lambda value: getattr(value, "why", None) or type(value).__name__,
)
def test_what_an_answer_means(answer: Answered | Unanswered, outcome: Outcome) -> None:
    """2xx arrived, 410 ends everything for this endpoint, anything else is tried again."""
    assert outcome == decide(answer, 0, SCHEDULE, 0.5)


@given(status=statuses, failed=st.integers(0, 50), chance=chances)
def test_every_call_ends(status: int, failed: int, chance: float) -> None:
    """Past the end of the schedule nothing is tried again, whatever the answer; before it nothing is dead."""
    outcome = decide(Answered(status), failed, SCHEDULE, chance)

    assert isinstance(outcome, Dead) <= (failed >= len(SCHEDULE))
    assert not (isinstance(outcome, Retry) and failed >= len(SCHEDULE))


@given(failed=failures, chance=chances)
def test_the_wait_is_the_schedule_s(failed: int, chance: float) -> None:
    """Within 20 % of its step."""
    outcome = after_failure(failed, SCHEDULE, chance, "500")

    assert isinstance(outcome, Retry)
    assert SCHEDULE[failed] * 0.8 <= outcome.delay < SCHEDULE[failed] * 1.2 + 1e-9


@given(failed=failures, chance=chances, asked=st.floats(0, 1e9))
def test_a_retry_after_is_followed_within_bounds(failed: int, chance: float, asked: float) -> None:
    """Never sooner than the schedule says, never later than twice that; in between as it asks."""
    wait = after_failure(failed, SCHEDULE, chance, "503")
    outcome = after_failure(failed, SCHEDULE, chance, "503", asked)

    assert isinstance(wait, Retry)
    assert isinstance(outcome, Retry)
    assert min(max(wait.delay, asked), 2 * wait.delay) == outcome.delay


@given(first=st.floats(0.1, 100), factor=st.floats(1, 1000))
def test_pauses_double_up_to_the_last(first: float, factor: float) -> None:
    """Each is twice the one before, but for the last, which is the longest and repeats."""
    last = first * factor
    steps = doubling(first, last)

    assert last == steps[-1]
    assert all(later == 2 * earlier for earlier, later in pairwise(steps[:-1]))
    assert steps == sorted(steps)
