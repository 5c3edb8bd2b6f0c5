"""Which pictures a result has, and what is in each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from benchmarks.figures import Figures, median
from benchmarks.picture import Bar, Group, picture
from benchmarks.targets import lines
from demo.programs import ROOT

PICTURES = ROOT / "docs" / "pictures"


def hang(runs: Sequence[Figures], folder: Path) -> None:
    """Draw all into `folder`, the medians of the runs. Raises KeyError where a figure is missing."""
    figures = median(list(runs))
    folder.mkdir(exist_ok=True, parents=True)
    for name, drawn in (
        ("drain", _drain(figures)),
        ("enqueue", _enqueue(figures)),
        ("latency", _latency(figures)),
        ("memory", _memory(figures)),
    ):
        (folder / f"bench-{name}.svg").write_text(drawn)


def _drain(figures: Figures) -> str:
    groups = []
    for latency in (0, 50):
        place = f"{latency}ms.1"
        bars = [Bar("one task a message", figures[f"drain.distinct.{place}.naive"], "rival")]
        for kind in ("distinct", "broadcast"):
            bars.append(Bar(f"ours, {kind}", figures[f"drain.{kind}.{place}.ours"]))
            bars.append(Bar(f"bare loop, {kind}", figures[f"drain.{kind}.{place}.bare"], "least"))
        groups.append(Group(f"an endpoint that takes {latency} ms", bars))
    note = "Messages a second of one worker process, on a logarithmic scale"
    return picture("Out: from Redis to the endpoint", note, groups, logarithmic=True)


def _enqueue(figures: Figures) -> str:
    def bar(label: str, name: str, kind: Literal["ours", "rival"] = "ours") -> Bar:
        return Bar(label, figures[f"enqueue.{name}"], kind)

    groups = [
        Group(
            "one call for each message",
            [
                bar(".delay()", "delay", "rival"),
                bar(".delay(), result ignored", "delay.ignored", "rival"),
                bar("enqueue", "single"),
                bar("enqueue that wakes", "single.waking"),
            ],
        ),
        Group("one call for all", [bar("enqueue_many", "many"), bar("broadcast", "broadcast")]),
    ]
    note = "Messages a second of one process, on a logarithmic scale"
    return picture("In: from the web app to Redis", note, groups, logarithmic=True)


def _latency(figures: Figures) -> str:
    targets = _targets([0])

    def bar(label: str, name: str, kind: Literal["ours", "least"]) -> Bar:
        return Bar(label, figures[name], kind, targets.get(name))

    groups = [
        Group(
            heading,
            [
                bar("half within", f"latency.{place}.p50", "least"),
                bar("99 of 100 within", f"latency.{place}.p99", "ours"),
            ],
        )
        for place, heading in (
            ("idle.50", "50 urgent ones a second, nothing else"),
            ("idle.1000", "1,000 urgent ones a second, nothing else"),
            ("behind.0ms", "50 a second behind a bulk, an endpoint that takes 0 ms"),
            ("behind.50ms", "50 a second behind a bulk, an endpoint that takes 50 ms"),
        )
    ]
    note = "Milliseconds from the call of enqueue to the endpoint, on a logarithmic scale; a mark is a target"
    return picture("How long an urgent message takes", note, groups, logarithmic=True)


def _memory(figures: Figures) -> str:
    queued = "redis.distinct.queued."
    counts = sorted(int(name.removeprefix(queued)) for name in figures if name.startswith(queued))
    targets = _targets(counts)
    groups = []
    for kind, heading in (
        ("distinct.queued", "a message of its own, queued"),
        ("broadcast.queued", "a recipient of a broadcast, queued"),
        ("distinct.finished", "a message that is finished"),
    ):
        names = {count: f"redis.{kind}.{count}" for count in counts}
        bars = [
            Bar(f"of {count:,}", figures[name], target=targets.get(name)) for count, name in names.items()
        ]
        groups.append(Group(heading, bars))
    return picture("What a message takes of Redis", "Bytes; a mark is a target", groups)


def _targets(counts: Sequence[int]) -> dict[str, float]:
    return {line.name: line.target for line in lines(counts) if line.target is not None}
