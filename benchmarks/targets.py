"""The lines that are promised, as data: what each says, how it follows from the figures, and its target.

Units of the figures, by their first words: `enqueue`, `drain` and `share` messages a second; `intake` too,
but for `intake.one`, requests a second, `intake.cpu`, microseconds of CPU a request, and `intake.half`,
milliseconds; `cpu` and `cpu_redis` CPU seconds per 100,000 messages; `memory_worker` and `worker.memory` MiB;
`redis` bytes a message; `latency` milliseconds, but for `bulk_kept`, a ratio; `start.first` seconds,
`start.idle` per cent of a core; `import.rows` rows a second, `import.memory` MiB; `web`
milliseconds; `receipts` milliseconds, but for `receipts.lost` and `receipts.refused`, reports,
`receipts.full`, reports a second, and `receipts.cpu`, microseconds of CPU a report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.figures import Figures

TIMES = "×"  # noqa: RUF001 - the sign, not the letter


class Direction(StrEnum):
    """How a value stands to its target where it holds."""

    AT_LEAST = "≥"
    AT_MOST = "≤"
    BELOW = "<"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table. Without a `target` it is told, not judged."""

    group: str
    name: str
    says: str
    unit: str
    value: Callable[[Figures], float]
    direction: Direction
    target: float | None = None

    def of(self, figures: Figures) -> float | None:
        """What the figures make of it; None where one that it needs is missing."""
        try:
            return self.value(figures)
        except KeyError:
            return None

    def holds(self, value: float) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        match self.direction:
            case Direction.AT_LEAST:
                return value >= self.target
            case Direction.AT_MOST:
                return value <= self.target
            case Direction.BELOW:
                return value < self.target

    def better(self, change: float) -> bool:
        """Whether a change of so much is for the better."""
        return (change > 0) is (self.direction is Direction.AT_LEAST)


def lines(counts: Sequence[int]) -> list[Line]:
    """Every line, in the order of the table. `counts`: how many messages memory is measured at."""
    return [
        *_enqueue(),
        *_drain(),
        *_latency(),
        *_memory(counts),
        *_start(),
        *_share(),
        *_intake(),
        *_receipts(),
        *_web(),
        *_import(),
    ]


def _enqueue() -> Iterator[Line]:
    for way, says, target in (
        ("single", "enqueue in a loop", 2.5),
        ("single.waking", "enqueue that wakes", 0.6),
        ("many", "enqueue_many", 50.0),
        ("broadcast", "broadcast", 100.0),
    ):
        for rival, named, aim in (
            ("delay", ".delay()", target),
            ("delay.ignored", ".delay(), no result", None),
        ):
            yield Line(
                group="enqueue",
                name=f"enqueue.{way}/{rival}",
                says=f"{says} ÷ {named}",
                unit=TIMES,
                value=_ratio(f"enqueue.{way}", f"enqueue.{rival}"),
                direction=Direction.AT_LEAST,
                target=aim,
            )


def _drain() -> Iterator[Line]:
    for rival, target in (("naive", 150.0), ("bare", 0.7)):
        for processes, aim in ((1, target), (2, None)):
            for latency in (0, 50):
                for kind in ("distinct", "broadcast"):
                    place = f"{latency}ms.{processes}"
                    # One task a message is the same work for a broadcast.
                    against = "distinct" if rival == "naive" else kind
                    yield Line(
                        group="drain",
                        name=f"drain.{kind}.{place}/{rival}",
                        says=f"{kind}, {latency} ms, {_processes(processes)} ÷ {rival}",
                        unit=TIMES,
                        value=_ratio(f"drain.{kind}.{place}.ours", f"drain.{against}.{place}.{rival}"),
                        direction=Direction.AT_LEAST,
                        target=aim,
                    )


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"


def _latency() -> Iterator[Line]:
    for place, says, aims in (
        ("idle.50", "urgent, 50/s, idle", {"p50": 10.0, "p99": 50.0}),
        ("idle.1000", "urgent, 1,000/s, idle", {"p50": None, "p99": None}),
        ("behind.0ms", "urgent behind bulk, 0 ms", {"p99": 1000.0}),
        ("behind.50ms", "urgent behind bulk, 50 ms", {"p99": 1000.0}),
    ):
        for percentile, aim in aims.items():
            yield Line(
                group="latency",
                name=f"latency.{place}.{percentile}",
                says=f"{says}: {percentile}",
                unit="ms",
                value=_figure(f"latency.{place}.{percentile}"),
                direction=Direction.AT_MOST,
                target=aim,
            )
        if place.startswith("behind"):
            yield Line(
                group="latency",
                name=f"latency.{place}.bulk_kept",
                says=f"{says}: bulk keeps",
                unit=TIMES,
                value=_figure(f"latency.{place}.bulk_kept"),
                direction=Direction.AT_LEAST,
                target=0.8,
            )


def _memory(counts: Sequence[int]) -> Iterator[Line]:
    """Judged at the most messages; what a bucket costs weighs more on few."""
    for name, says, unit, target in (
        ("redis.distinct.queued", "Redis, distinct, queued", "B", 500.0),
        ("redis.broadcast.queued", "Redis, broadcast, queued", "B", 200.0),
        ("redis.distinct.finished", "Redis, distinct, finished", "B", 150.0),
        ("worker.memory", "worker memory", "MiB", 150.0),
    ):
        for count in counts:
            yield Line(
                group="memory",
                name=f"{name}.{count}",
                says=f"{says}, of {count:,}",
                unit=unit,
                value=_figure(f"{name}.{count}"),
                direction=Direction.AT_MOST,
                target=target if count == max(counts) else None,
            )


def _start() -> Iterator[Line]:
    yield Line(
        group="start",
        name="start.first",
        says="start of a worker to its first POST",
        unit="s",
        value=_figure("start.first"),
        direction=Direction.AT_MOST,
        target=2.0,
    )
    yield Line(
        group="start",
        name="start.idle",
        says="CPU of an idle worker",
        unit="%",
        value=_figure("start.idle"),
        direction=Direction.BELOW,
        target=2.0,
    )


def _share() -> Iterator[Line]:
    for latency in (0, 50):
        yield Line(
            group="share",
            name=f"share.{latency}ms",
            says=f"logging and accounting, {latency} ms",
            unit="%",
            value=_lost(f"share.{latency}ms.accounted", f"share.{latency}ms.unaccounted"),
            direction=Direction.BELOW,
            target=10.0,
        )


def _intake() -> Iterator[Line]:
    """Rates, not ratios: the intake has one core to itself, of whatever machine it is."""
    yield from _told(
        "intake",
        ("one", "intake, one message a request", "/s", Direction.AT_LEAST, 1500.0),
        ("cpu", "intake, CPU a request", "µs", Direction.AT_MOST, None),
        ("half.p50", "intake at 750/s: p50", "ms", Direction.AT_MOST, None),
        ("half.p99", "intake at 750/s: p99", "ms", Direction.AT_MOST, 50.0),
        ("distinct", "intake, 1,000 texts a request", "/s", Direction.AT_LEAST, 30_000.0),
        ("shared", "intake, 1,000 recipients a text", "/s", Direction.AT_LEAST, 30_000.0),
    )


def _receipts() -> Iterator[Line]:
    """Rates, not ratios: the receiver has one core to itself, of whatever machine it is."""
    yield from _told(
        "receipts",
        ("lost", "50,000 reports in 60 s: lost", "", Direction.AT_MOST, 0.0),
        ("refused", "50,000 reports in 60 s: refused", "", Direction.AT_MOST, 0.0),
        ("p50", "50,000 reports in 60 s: p50", "ms", Direction.AT_MOST, None),
        ("p99", "50,000 reports in 60 s: p99", "ms", Direction.AT_MOST, 50.0),
        ("full", "receiver, one report a request", "/s", Direction.AT_LEAST, None),
        ("cpu", "receiver, CPU a report", "µs", Direction.AT_MOST, None),
    )


def _import() -> Iterator[Line]:
    """A rate, not a ratio: the command has one core to itself, of whatever machine it is."""
    yield from _told(
        "import",
        ("rows", "import of one text, rows", "/s", Direction.AT_LEAST, 30_000.0),
        ("memory", "import of one text, memory", "MiB", Direction.AT_MOST, 150.0),
    )


def _told(group: str, *figures: tuple[str, str, str, Direction, float | None]) -> Iterator[Line]:
    """A line for each figure of a group, as it was measured."""
    for name, says, unit, direction, target in figures:
        yield Line(
            group=group,
            name=f"{group}.{name}",
            says=says,
            unit=unit,
            value=_figure(f"{group}.{name}"),
            direction=direction,
            target=target,
        )


def _web() -> Iterator[Line]:
    for framework in ("Django", "Flask", "FastAPI"):
        for percentile, target in (("p50", 2.0), ("p99", None)):
            yield Line(
                group="web",
                name=f"web.{framework}.{percentile}",
                says=f"{framework} view, enqueue: {percentile}",
                unit="ms",
                value=_figure(f"web.{framework}.{percentile}"),
                direction=Direction.AT_MOST,
                target=target,
            )


def _figure(name: str) -> Callable[[Figures], float]:
    return lambda figures: figures[name]


def _ratio(over: str, under: str) -> Callable[[Figures], float]:
    return lambda figures: figures[over] / figures[under]


def _lost(beside: str, alone: str) -> Callable[[Figures], float]:
    """What is lost of the rate `alone`, per cent."""
    return lambda figures: (1 - figures[beside] / figures[alone]) * 100
