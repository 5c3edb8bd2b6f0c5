"""What of a change since the last result is told as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.series import NOISE, Series, change, series
from benchmarks.targets import lines

values = st.lists(st.floats(0.1, 1e6), min_size=1, max_size=5).map(Series)
MANY = next(line for line in lines([1]) if line.name == "enqueue.many/delay")


def test_a_ratio_is_of_one_run() -> None:
    """Each run's rate over the same run's rival, then the median; never a median over a median."""
    runs = [
        {"enqueue.many": 100.0, "enqueue.delay": 1.0},
        {"enqueue.many": 300.0, "enqueue.delay": 5.0},
        {"enqueue.many": 200.0, "enqueue.delay": 4.0},
    ]

    found = series(MANY, runs)

    assert Series([100, 60, 50]) == found
    assert 60 == found.median


def test_a_run_without_the_figure_is_left_out() -> None:
    """What failed in one run is told from the others; in all of them, not at all."""
    assert Series([2]) == series(MANY, [{}, {"enqueue.many": 4.0, "enqueue.delay": 2.0}])
    assert series(MANY, [{}]) is None


@pytest.mark.parametrize(
    ("now", "last", "flagged"),
    [
        ([114.0], [100.0], False),
        ([116.0], [100.0], True),
        ([84.0], [100.0], True),
        ([120.0, 130.0, 140.0], [100.0], True),
        ([110.0, 130.0, 150.0], [100.0], False),
        ([130.0], [80.0, 100.0, 120.0], False),
    ],
)
def test_a_change_is_flagged_beyond_noise(now: list[float], last: list[float], flagged: bool) -> None:
    """Noise is the widest of both spreads and 15 per cent."""
    found = change(Series(now), Series(last))

    assert found is not None
    assert flagged is found.flagged


def test_there_is_no_change_without_a_last_result() -> None:
    """Nor from a last result of 0, of which nothing is a share."""
    assert change(Series([1.0]), None) is None
    assert change(Series([1.0]), Series([0.0])) is None


@given(values)
def test_the_same_result_is_no_change(same: Series) -> None:
    """A result beside itself has changed by nothing, and is never flagged."""
    found = change(same, same)

    assert found is not None
    assert (0.0, False) == (found.by, found.flagged)


@given(values, values)
def test_noise_is_never_less_than_a_spread(now: Series, last: Series) -> None:
    """However steady one side was, the other's spread counts."""
    found = change(now, last)

    assert found is not None
    assert found.noise >= max(now.spread, last.spread, NOISE)
