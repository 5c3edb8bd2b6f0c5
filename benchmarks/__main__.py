"""`python -m benchmarks [GROUP …]`: measure; tell each promised line beside its target and the last result.

Everything runs on loopback, one measurement after the other, each on servers of its own that end with it.
Exits 0 also where a target is missed, 1 where a measurement failed.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console

from benchmarks.campaign import campaign
from benchmarks.drain import drain
from benchmarks.enqueue import enqueue
from benchmarks.figures import LAST, Figures, read, write
from benchmarks.gallery import PICTURES, hang
from benchmarks.intake import intake
from benchmarks.latency import latency
from benchmarks.machine import machine
from benchmarks.memory import memory
from benchmarks.receipts import receipts
from benchmarks.scale import SHORT, WHOLE, Scale
from benchmarks.series import series
from benchmarks.share import share
from benchmarks.start import start
from benchmarks.table import WIDTH, number, raw, table
from benchmarks.targets import Line, lines
from benchmarks.web import web

GROUPS: dict[str, Callable[[Scale], Iterator[Figures]]] = {
    "enqueue": enqueue,
    "drain": drain,
    "latency": latency,
    "memory": memory,
    "start": start,
    "share": share,
    "intake": intake,
    "receipts": receipts,
    "web": web,
    "import": campaign,
}
_NOT_TOLD = ("cpu.", "cpu_redis.", "memory_worker.")  #: while it runs; the tables have them


def main() -> int:
    arguments = _arguments()
    # Told to end, everything that was started ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(highlight=False, width=WIDTH)
    scale = SHORT if arguments.short else WHOLE
    chosen = [name for name in GROUPS if not arguments.names or name in arguments.names]
    promised = [line for line in lines(scale.memory) if line.group in chosen]
    began = time.monotonic()
    runs, failed = [], False
    try:
        for at in range(arguments.runs):
            print(f"run {at + 1} of {arguments.runs}", flush=True)
            run, complete = _run(chosen, scale)
            runs.append(run)
            failed |= not complete
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    here = machine()
    minutes = (time.monotonic() - began) / 60
    before, last = ({}, []) if arguments.short else read(LAST)
    console.print(f"\n{_told(here)}; {minutes:.1f} minutes", markup=False)
    console.print(table(promised, runs, last))
    for note in _notes(here, before, promised, runs, short=arguments.short):
        console.print(note, markup=False)
    for figures in raw(runs):
        console.print(figures)
    if arguments.keep:
        failed |= not _keep(here, promised, runs)
    return int(failed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, epilog=f"The groups: {', '.join(GROUPS)}"
    )
    parser.add_argument("names", nargs="*", metavar="GROUP", help="what to measure; all without any")
    parser.add_argument("--runs", type=int, default=1, help="how often; the medians are told (default 1)")
    parser.add_argument("--short", action="store_true", help="few messages: to see that it works, no more")
    parser.add_argument("--keep", action="store_true", help=f"write {LAST.name} and the pictures")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in GROUPS]:
        parser.error(f"no group is called {', '.join(unknown)}")
    if arguments.runs < 1:
        parser.error("--runs takes 1 or more")
    if arguments.keep and (arguments.short or arguments.names):
        parser.error("--keep takes a whole run: every group, and not --short")
    return arguments


def _run(chosen: Sequence[str], scale: Scale) -> tuple[Figures, bool]:
    """One run, and whether all groups came to their end. One that fails leaves what it had found."""
    run: Figures = {}
    complete = True
    for name in chosen:
        began = time.monotonic()
        try:
            for found in GROUPS[name](scale):
                run |= found
                for figure, value in found.items():
                    if not figure.startswith(_NOT_TOLD):
                        print(f"  {figure} {number(value)}", flush=True)
        except Exception:  # noqa: BLE001 - whatever it was, it is told, and the other groups go on
            complete = False
            traceback.print_exc()
            print(f"{name}: FAILED", flush=True)
        else:
            print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return run, complete


def _told(machine: dict[str, str]) -> str:
    plain = ("cpu", "memory", "server")
    return ", ".join(value if name in plain else f"{name} {value}" for name, value in machine.items())


def _notes(
    here: dict[str, str],
    before: dict[str, str],
    promised: Sequence[Line],
    runs: Sequence[Figures],
    *,
    short: bool,
) -> Iterator[str]:
    """What to know when reading the table."""
    if short:
        yield "A short run: its figures are noise, and are not compared with the last result."
    elif not before:
        yield "There is no last result to compare with."
    for name in before.keys() & here.keys():
        if before[name] != here[name]:
            yield f"The last result is of another machine: {name} {before[name]}, here {here[name]}."
    judged = [(line, found) for line in promised if (found := series(line, runs)) and line.target is not None]
    missed = [line for line, found in judged if not line.holds(found.median)]
    yield f"{len(judged) - len(missed)} of {len(judged)} targets hold."


def _keep(here: dict[str, str], promised: Sequence[Line], runs: list[Figures]) -> bool:
    """Write the result, unless a line of it has no value; whether it was written."""
    absent = [line.name for line in promised if series(line, runs) is None]
    if absent:
        print(f"not kept: no value of {', '.join(absent)}", file=sys.stderr)
        return False
    write(LAST, here, runs)
    hang(runs, PICTURES)
    print(f"kept: {LAST.name}, and the pictures in {PICTURES.parent.name}/{PICTURES.name}")
    return True


if __name__ == "__main__":
    sys.exit(main())
