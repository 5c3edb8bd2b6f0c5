"""What a benchmark prints: every line beside its target and the last result, and the raw figures below."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.figures import Figures, median
from benchmarks.series import Series, change, series
from benchmarks.targets import Line

WIDTH = 100


def table(lines: Sequence[Line], runs: Sequence[Figures], last: Sequence[Figures]) -> Table:
    """A row for each line that the runs have a value of."""
    found = _table("", "", *("value", "least…most", "target", "", "change"))
    group = None
    for line in lines:
        now = series(line, runs)
        if now is None:
            continue
        if group not in (None, line.group):
            found.add_section()
        group = line.group
        holds = line.holds(now.median)
        found.add_row(
            line.says,
            f"{number(now.median)} {line.unit}",
            f"{number(min(now.values))}…{number(max(now.values))}" if len(now.values) > 1 else "",
            "" if line.target is None else f"{line.direction} {line.target:,g}",
            {True: "holds", False: "[bold red]short[/]", None: ""}[holds],
            _since(line, now, series(line, last)),
        )
    return found


def _since(line: Line, now: Series, last: Series | None) -> str:
    """The change, in colour and in words only where it is beyond noise."""
    found = change(now, last)
    if found is None:
        return ""
    by = f"{round(found.by, 2) + 0.0:+.0%}"  # no "-0%"
    if not found.flagged:
        return by
    return f"[green]{by} better[/]" if line.better(found.by) else f"[bold red]{by} worse[/]"


def raw(runs: Sequence[Figures]) -> list[Table]:
    """The medians as they were measured, a table for each kind that there is."""
    figures = median(list(runs))
    return [made for made in (_rates(figures), _drains(figures), _latencies(figures)) if made.row_count]


def _rates(figures: Figures) -> Table:
    found = _table("In", "", "messages/s")
    for name, value in figures.items():
        if name.startswith("enqueue."):
            found.add_row(name.removeprefix("enqueue."), number(value))
    return found


def _drains(figures: Figures) -> Table:
    """Each measurement that was `timed`; the bare loop has no CPU seconds, since it ends with its work."""
    found = _table(
        "Out; CPU seconds per 100,000", "", "messages/s", "CPU, worker", "CPU, Redis", "worker, MiB"
    )
    for name, value in figures.items():
        if name.startswith(("drain.", "share.")):
            parts = [figures.get(f"{part}.{name}") for part in ("cpu", "cpu_redis", "memory_worker")]
            told = ["" if part is None else number(part) for part in parts]
            found.add_row(name, number(value), *told)
    return found


def _latencies(figures: Figures) -> Table:
    found = _table("Urgent, ms to POST", "", "p50", "p99", "most")
    for name in figures:
        place, _, last = name.rpartition(".")
        if name.startswith("latency.") and last == "p50":
            found.add_row(
                place.removeprefix("latency."),
                *(number(figures[f"{place}.{part}"]) for part in ("p50", "p99", "most")),
            )
    return found


def number(value: float) -> str:
    """Three digits or all of them: what lies behind is noise."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _table(title: str, *headings: str) -> Table:
    """The first column is text, the others are figures."""
    found = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for at, heading in enumerate(headings):
        found.add_column(heading, justify="right" if at else "left", no_wrap=True)
    return found
