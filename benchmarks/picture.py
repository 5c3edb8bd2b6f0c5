"""The pictures of a result: bars with their values, as SVG that is read on white and on black."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from benchmarks.table import number

NAMESPACE = "http://www.w3.org/2000/svg"
SPOKEN = 'role="img" aria-labelledby="title desc"'
WIDTH = 760
BARS_FROM, BARS_TO = 190, 650  #: what is left on the right is for the value of the longest
TOP, ROW, BAR, HEADING, GAP, BOTTOM = 66, 22, 15, 24, 10, 30
DIGIT = 8  #: width of one, about
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 } .heading { font-weight: 600 }
  .value { paint-order: stroke; stroke: #fff; stroke-width: 4px; stroke-linejoin: round }
  .note, .tick { fill: #59636e; font-size: 12px }
  .grid { stroke: #d1d9e0 } .target { stroke: #bc4c00; stroke-width: 2 }
  .ours { fill: #0969da } .rival { fill: #9198a1 } .least { fill: #54aeff }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .note, .tick { fill: #9198a1 }
    .value { stroke: #0d1117 } .grid { stroke: #3d444d } .target { stroke: #f0883e }
    .ours { fill: #388bfd } .rival { fill: #656c76 } .least { fill: #1f4f8f }
  }
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One value. `least` is of the loop that does the least; `target` is marked where there is one."""

    label: str
    value: float
    kind: Literal["ours", "rival", "least"] = "ours"
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Bars that belong together, under a heading."""

    heading: str
    bars: Sequence[Bar]


def picture(title: str, note: str, groups: Sequence[Group], *, logarithmic: bool = False) -> str:
    """The SVG; the values are also told in words, for who can't see it. At least one bar, all above 0."""
    scale = _Scale([bar for group in groups for bar in group.bars], logarithmic=logarithmic)
    rows: list[str] = []
    at = TOP
    for group in groups:
        rows.append(_text(0, at + 14, group.heading, "heading"))
        at += HEADING
        if logarithmic:
            rows += [_line(scale.at(power), at, len(group.bars)) for power in scale.powers]
        for bar in group.bars:
            rows += _bar(bar, at, scale)
            at += ROW
        at += GAP
    height = at + (BOTTOM if logarithmic else 0)
    said = "; ".join(
        f"{group.heading}: " + ", ".join(f"{bar.label} {number(bar.value)}" for bar in group.bars)
        for group in groups
    )
    return "\n".join(
        (
            f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {WIDTH} {height}" {SPOKEN}>',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="desc">{escape(f"{note}. {said}.")}</desc>',
            f"<style>{STYLE}</style>",
            _text(0, 18, title, "title"),
            _text(0, 40, note, "note"),
            *rows,
            *(_ticks(scale, at) if logarithmic else ()),
            "</svg>\n",
        )
    )


class _Scale:
    """Where a value lies, in pixels. A logarithmic one begins at a power of ten below all values."""

    def __init__(self, bars: Sequence[Bar], *, logarithmic: bool) -> None:
        values = [bar.value for bar in bars]
        values += [bar.target for bar in bars if bar.target is not None]
        self._logarithmic = logarithmic
        if logarithmic:
            self.least = math.floor(math.log10(min(values) / 2))
            self.most = math.log10(max(values))
        else:
            self.least, self.most = 0, max(values)
        self.powers = (
            [10.0**power for power in range(self.least, math.floor(self.most) + 1)] if logarithmic else []
        )

    def at(self, value: float) -> float:
        share = ((math.log10(value) if self._logarithmic else value) - self.least) / (self.most - self.least)
        return BARS_FROM + share * (BARS_TO - BARS_FROM)


def _bar(bar: Bar, at: int, scale: _Scale) -> list[str]:
    end, told = scale.at(bar.value), number(bar.value)
    size = f'width="{end - BARS_FROM:.1f}" height="{BAR}" rx="2"'
    found = [
        _text(BARS_FROM - 8, at + 12, bar.label, "", anchor="end"),
        f'<rect class="{bar.kind}" x="{BARS_FROM}" y="{at}" {size}/>',
    ]
    after = end
    if bar.target is not None:
        mark = scale.at(bar.target)
        found.append(f'<path class="target" d="M{mark:.1f} {at - 3}v{BAR + 6}"/>')
        if -4 < mark - end < DIGIT * len(told) + 12:  # it would stand in the number
            after = mark
    found.append(_text(after + 6, at + 12, told, "value"))
    return found


def _line(x: float, top: int, rows: int) -> str:
    return f'<path class="grid" d="M{x:.1f} {top - 4}v{rows * ROW + 1}"/>'


def _ticks(scale: _Scale, bottom: int) -> list[str]:
    return [
        _text(scale.at(power), bottom + 10, f"{power:,g}", "tick", anchor="middle") for power in scale.powers
    ]


def _text(x: float, y: float, text: str, kind: str, *, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
