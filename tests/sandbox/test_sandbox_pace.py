"""The limiter and the latencies."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.latency import read_latency
from sandbox.limiter import Limiter
from sandbox.running import running


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_second_of_messages_passes_at_once() -> None:
    """Then none until some time has passed."""
    limiter = Limiter(10, clock := Clock())
    assert [0] * 10 + [1] == [limiter.wait_for(1) for _ in range(11)]
    clock.now = 0.1
    assert [0, 1] == [limiter.wait_for(1) for _ in range(2)]


def test_a_large_request_leaves_a_debt() -> None:
    """It passes, and those after it wait until it is paid for."""
    limiter = Limiter(100, clock := Clock())
    assert 0 == limiter.wait_for(1000)
    assert 9 == limiter.wait_for(1)
    clock.now = 9.0
    assert 1 == limiter.wait_for(1)
    clock.now = 9.1
    assert 0 == limiter.wait_for(1)


def test_a_request_without_messages_always_passes() -> None:
    """There is nothing to limit."""
    limiter = Limiter(1, Clock())
    limiter.wait_for(100)
    assert 0 == limiter.wait_for(0)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 50)), max_size=60), st.integers(1, 100))
def test_no_more_passes_than_the_rate(requests: list[tuple[float, int]], rate: int) -> None:
    """Over any course: one second's worth, the time times the rate, and one request of debt."""
    limiter = Limiter(rate, clock := Clock())
    passed = 0
    for pause, messages in requests:
        clock.now += pause
        if not limiter.wait_for(messages):
            passed += messages
    assert passed <= rate * (clock.now + 1) + 50


@given(st.lists(st.integers(1, 500), min_size=1, max_size=20))
def test_whoever_waits_as_told_gets_through(sizes: list[int]) -> None:
    """Retry-After is never too short."""
    limiter = Limiter(50, clock := Clock())
    for size in sizes:
        if wait := limiter.wait_for(size):
            clock.now += wait
            assert 0 == limiter.wait_for(size) or limiter.wait_for(0) == 0


def test_above_the_rate_is_429(post: Callable[..., Any], message: Callable[..., dict[str, Any]]) -> None:
    """With Retry-After in seconds; nothing is taken."""
    with running(rate=1) as sandbox:
        assert 200 == post(sandbox, message("0031600000001", "0031600000002", "0031600000003")).status
        reply = post(sandbox, message())
        assert (429, "2") == (reply.status, reply.headers["retry-after"])
        assert 3 == sandbox.counts()["messages"]


@given(st.integers())
def test_latencies_stay_within_what_was_said(seed: int) -> None:
    """In seconds, from milliseconds."""
    chance = Random(seed)
    assert 0.05 == read_latency("fixed:50")(chance)
    assert 0.01 <= read_latency("uniform:10-90")(chance) <= 0.09
    assert 0 < read_latency("lognormal:50,0.5")(chance)
    assert 0.05 == pytest.approx(read_latency("lognormal:50,0")(chance))


@pytest.mark.parametrize(
    "spec", ["", "50", "fixed:-1", "fixed:x", "uniform:10", "lognormal:0,1", "normal:1,2"]
)
def test_other_latencies_are_refused(spec: str) -> None:
    """With the forms there are."""
    with pytest.raises(ValueError, match="lognormal"):
        read_latency(spec)
