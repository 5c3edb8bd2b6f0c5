"""The promised lines: what they make of the figures, and when they hold."""

from __future__ import annotations

import pytest

from benchmarks.figures import Figures
from benchmarks.targets import Direction, Line, lines

COUNTS = (10_000, 1_000_000)
LINES = {line.name: line for line in lines(COUNTS)}


def line(direction: Direction, target: float | None) -> Line:
    """A line that is its one figure."""
    return Line(
        group="start",
        name="x",
        says="x",
        unit="s",
        value=lambda figures: figures["x"],
        direction=direction,
        target=target,
    )


@pytest.mark.parametrize(
    ("name", "figures", "value"),
    [
        (
            "drain.distinct.0ms.1/naive",
            {"drain.distinct.0ms.1.ours": 900, "drain.distinct.0ms.1.naive": 6},
            150,
        ),
        (
            "drain.broadcast.0ms.1/bare",
            {"drain.broadcast.0ms.1.ours": 7, "drain.broadcast.0ms.1.bare": 10},
            0.7,
        ),
        ("enqueue.many/delay", {"enqueue.many": 100, "enqueue.delay": 2, "enqueue.delay.ignored": 4}, 50),
        (
            "enqueue.many/delay.ignored",
            {"enqueue.many": 100, "enqueue.delay": 2, "enqueue.delay.ignored": 4},
            25,
        ),
        ("enqueue.single.waking/delay", {"enqueue.single.waking": 6, "enqueue.delay": 10}, 0.6),
        ("latency.idle.50.p99", {"latency.idle.50.p99": 12.5}, 12.5),
        ("redis.distinct.finished.1000000", {"redis.distinct.finished.1000000": 139}, 139),
        ("start.idle", {"start.idle": 0.4}, 0.4),
        ("intake.half.p99", {"intake.half.p99": 12.5}, 12.5),
        ("share.50ms", {"share.50ms.accounted": 90, "share.50ms.unaccounted": 100}, 10),
    ],
)
def test_a_line_is_computed_from_its_figures(name: str, figures: Figures, value: float) -> None:
    """A ratio is ours over theirs, a share what is lost per cent, all else the figure itself."""
    assert pytest.approx(value) == LINES[name].of(figures)


def test_a_broadcast_is_measured_against_the_same_naive_worker() -> None:
    """One task a message knows no broadcast: its rate for distinct messages is what counts."""
    figures = {"drain.broadcast.50ms.1.ours": 300.0, "drain.distinct.50ms.1.naive": 2.0}

    assert 150 == LINES["drain.broadcast.50ms.1/naive"].of(figures)


def test_a_line_without_its_figures_has_no_value() -> None:
    """A group that was left out leaves its lines out, and invents nothing."""
    assert LINES["share.0ms"].of({"share.0ms.accounted": 90}) is None


@pytest.mark.parametrize(
    ("direction", "under", "at", "over"),
    [
        (Direction.AT_LEAST, False, True, True),
        (Direction.AT_MOST, True, True, False),
        (Direction.BELOW, True, False, False),
    ],
)
def test_a_target_is_met_or_missed(direction: Direction, under: bool, at: bool, over: bool) -> None:
    """`at least` and `at most` hold at the target itself, `below` does not."""
    judged = line(direction, 10.0)

    assert (under, at, over) == (judged.holds(9.9), judged.holds(10.0), judged.holds(10.1))


def test_without_a_target_nothing_is_judged() -> None:
    """A line that is only told neither holds nor is short."""
    assert line(Direction.AT_LEAST, None).holds(1.0) is None


def test_memory_is_judged_at_the_most_messages() -> None:
    """The smaller counts are told: there, what a time bucket costs weighs more."""
    targets = [LINES[f"worker.memory.{count}"].target for count in COUNTS]

    assert [None, 150] == targets


def test_every_line_has_a_name_of_its_own() -> None:
    """The last result is compared by name."""
    assert len(lines(COUNTS)) == len(LINES)


def test_what_is_promised_is_judged() -> None:
    """Each of the design's targets of speed and memory stands in one line at least."""
    judged = sorted((found.group, found.target) for found in LINES.values() if found.target is not None)

    assert [
        *[("drain", 0.7)] * 4,
        *[("drain", 150)] * 4,
        *[("enqueue", target) for target in (0.6, 2.5, 50, 100)],
        *[("import", target) for target in (150, 30_000)],
        *[("intake", target) for target in (50, 1500, 30_000, 30_000)],
        *[("latency", target) for target in (0.8, 0.8, 10, 50, 1000, 1000)],
        *[("memory", target) for target in (150, 150, 200, 500)],
        *[("receipts", target) for target in (0, 0, 50)],
        *[("share", 10)] * 2,
        *[("start", 2)] * 2,
        *[("web", 2)] * 3,
    ] == judged
