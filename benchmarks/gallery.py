"""Which pictures a result has, and what is in each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figures, median
from benchmarks.picture import Bar, Group, picture
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
    def bar(label: str, name: str, kind: str = "ours") -> Bar:
        return Bar(label, figures[f"enqueue.{name}"], "rival" if kind == "rival" else "ours")

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
    groups = [
        Group(
            heading,
            [
                Bar("half within", figures[f"latency.{place}.p50"], "least"),
                Bar("99 of 100 within", figures[f"latency.{place}.p99"]),
            ],
        )
        for place, heading in (
            ("idle.50", "50 urgent ones a second, nothing else"),
            ("idle.1000", "1,000 urgent ones a second, nothing else"),
            ("behind.0ms", "50 a second behind a bulk, an endpoint that takes 0 ms"),
            ("behind.50ms", "50 a second behind a bulk, an endpoint that takes 50 ms"),
        )
    ]
    note = "Milliseconds from the call of enqueue to the endpoint, on a logarithmic scale"
    return picture("How long an urgent message takes", note, groups, logarithmic=True)


def _memory(figures: Figures) -> str:
    groups = []
    for name, heading, target in (
        ("distinct.queued", "a message of its own, queued", 500.0),
        ("broadcast.queued", "a recipient of a broadcast, queued", 200.0),
        ("distinct.finished", "a message that is finished", 150.0),
    ):
        counts = sorted(
            int(figure.rpartition(".")[2]) for figure in figures if figure.startswith(f"redis.{name}.")
        )
        bars = [
            Bar(
                f"of {count:,}",
                figures[f"redis.{name}.{count}"],
                "ours",
                target if count == counts[-1] else None,
            )
            for count in counts
        ]
        groups.append(Group(heading, bars))
    return picture("What a message takes of Redis", "Bytes; the mark is the target", groups)
