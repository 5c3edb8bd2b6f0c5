"""The values of one line over the runs: their median and spread, and what of a change is beyond noise."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures import Figures
from benchmarks.targets import Line

NOISE = 0.15  #: what two runs of the same code may differ by, whatever their spread says


@dataclass(frozen=True, slots=True)
class Series:
    """At least one value."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """From the least to the most, as a share of the median; 0 where the median is."""
        return (max(self.values) - min(self.values)) / abs(self.median) if self.median else 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """From the last result to this: `by` is a share of the last, `noise` what counts as none."""

    by: float
    noise: float

    @property
    def flagged(self) -> bool:
        return abs(self.by) > self.noise


def series(line: Line, runs: Sequence[Figures]) -> Series | None:
    """The line's value in each run that has one; None where none has. A ratio is of one run's own figures."""
    values = [value for run in runs if (value := line.of(run)) is not None]
    return Series(values) if values else None


def change(now: Series, last: Series | None) -> Change | None:
    """What has changed since the last result; None without one, or where that was 0."""
    if last is None or not last.median:
        return None
    by = (now.median - last.median) / abs(last.median)
    return Change(by, max(now.spread, last.spread, NOISE))
