"""Figures: what one run measured, by name, and the files that they are kept in.

A name is a path of words, such as `drain.distinct.50ms.1.ours`; its unit follows from the first word and is
told in `benchmarks.targets`. A file holds the values of every run, so that the spread between them is kept.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

Figures = dict[str, float]

LAST = Path(__file__).with_name("last.json")


def median(runs: list[Figures]) -> Figures:
    """The median of each figure over the runs that have it."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: statistics.median([run[name] for run in runs if name in run]) for name in names}


def write(path: Path, machine: dict[str, str], runs: list[Figures]) -> None:
    """Keep the runs, a line a figure."""
    found = [{name: _short(value) for name, value in run.items()} for run in runs]
    path.write_text(json.dumps({"machine": machine, "runs": found}, indent=1) + "\n")


def read(path: Path) -> tuple[dict[str, str], list[Figures]]:
    """The machine and the runs of a file; nothing where there is none."""
    if not path.exists():
        return {}, []
    document: dict[str, Any] = json.loads(path.read_text())
    return document["machine"], document["runs"]


def _short(value: float) -> float:
    """Four digits: what lies behind them is noise."""
    return float(f"{value:.4g}")
