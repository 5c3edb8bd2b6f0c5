"""How far a long command is: a bar on a terminal, else a line every ten seconds. And how it is stopped."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

import click

EVERY = 10.0  #: seconds between two lines
_PER_SECOND = 4  #: pictures of a bar
_SHOWN_AFTER = 0.2  #: seconds; a rate of less time is none

Told = Callable[[float], None]


@contextmanager
def progress(what: str, total: float) -> Iterator[Told]:
    """A function to be told how much of `total` is done; a `total` of 1 is a share, others count rows."""
    from rich.console import Console  # noqa: PLC0415 - an extra, and slow to load

    console = Console(stderr=True, highlight=False)
    with _bar(console, what, total) if console.is_terminal else lines(what, total) as told:
        yield told


@contextmanager
def _bar(console: Any, what: str, total: float) -> Iterator[Told]:
    from rich import progress as parts  # noqa: PLC0415 - the same

    columns: list[Any] = [parts.TextColumn(what), parts.BarColumn(bar_width=None), parts.TaskProgressColumn()]
    if total > 1:
        columns += [parts.MofNCompleteColumn(), parts.TextColumn("{task.fields[rate]}")]
    columns.append(parts.TimeRemainingColumn(compact=True))
    with parts.Progress(*columns, console=console, refresh_per_second=_PER_SECOND, transient=True) as bar:
        task = bar.add_task(what, total=total, rate="")
        began = time.monotonic()

        def told(done: float) -> None:
            took = time.monotonic() - began
            rate = f"{done / took:,.0f}/s" if took > _SHOWN_AFTER else ""
            bar.update(task, completed=done, rate=rate)

        yield told


@contextmanager
def lines(what: str, total: float, *, clock: Callable[[], float] = time.monotonic) -> Iterator[Told]:
    """Lines on standard error, one in ten seconds at most."""
    began = last = clock()

    def told(done: float) -> None:
        nonlocal last
        now = clock()
        if now - last < EVERY or not done:
            return
        last = now
        rate = done / (now - began)
        left = f"{max(total - done, 0) / rate:,.0f} s left"
        if total > 1:
            click.echo(f"{what}: {done:,.0f} of {total:,.0f} rows, {rate:,.0f}/s, {left}", err=True)
        else:
            click.echo(f"{what}: {done:.0%}, {left}", err=True)

    yield told


class Stop:
    """While it is open the first Ctrl-C is noted, so that what is begun is done; the second interrupts."""

    def __init__(self) -> None:
        self._asked = False
        self._before: Any = None

    def __call__(self) -> bool:
        """Whether to stop."""
        return self._asked

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._noted)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _noted(self, _signal: int, _frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
