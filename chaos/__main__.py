"""`python -m chaos [NAME …]`: produce the faults, one scenario or all, and print one table.

Exits 1 when a promise was broken. Several scenarios run as programs of their own, `--jobs` at a time; a
single one runs here. `--seed` replays the faults and the load; the machine's timing stays its own.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from rich.console import Console

from chaos.answers import ANSWERS
from chaos.crashes import CRASHES
from chaos.endpoint import ENDPOINT
from chaos.outages import OUTAGES
from chaos.reckoning import Reckoning
from chaos.scenario import RATE, Outcome, Scenario, play
from chaos.table import TABLE_WIDTH, doubts, table

SCENARIOS = {scenario.name: scenario for scenario in (*CRASHES, *OUTAGES, *ENDPOINT, *ANSWERS)}
ONE_SECONDS = 600.0
JOBS = 2


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m chaos", description=__doc__, epilog=f"The scenarios: {', '.join(SCENARIOS)}"
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="scenarios, or patterns such as 'crash-*'; all without any"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, help="instead of each scenario's own number")
    parser.add_argument("--rate", type=float, default=RATE, help=f"messages a second (default {RATE:g})")
    parser.add_argument("--jobs", type=int, default=JOBS, help=f"scenarios at a time (default {JOBS})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcomes there too")
    arguments = parser.parse_args()
    chosen = [
        one for one in SCENARIOS.values() if any(fnmatch(one.name, it) for it in arguments.names or "*")
    ]
    if unknown := [it for it in arguments.names if not any(fnmatch(one.name, it) for one in chosen)]:
        parser.error(f"no scenario is called {', '.join(unknown)}")
    # Told to end, everything that was started ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(highlight=False, width=max(TABLE_WIDTH, Console().width))
    began = time.monotonic()
    if len(chosen) == 1:
        outcomes = [play(chosen[0], arguments.seed, arguments.rounds, arguments.rate)]
    else:
        outcomes = _each_alone(console, chosen, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps([outcome.as_json() for outcome in outcomes], indent=1))
    minutes = (time.monotonic() - began) / 60
    console.print(table(outcomes, f"seed {arguments.seed}, {minutes:.1f} minutes"))
    if (in_doubt := doubts(outcomes)) is not None:
        console.print(in_doubt)
    for outcome in outcomes:
        for problem in outcome.books.problems:
            console.print(f"{outcome.scenario}: {problem}", style="red", markup=False)
    return 0 if all(outcome.kept for outcome in outcomes) else 1


def _each_alone(console: Console, chosen: Sequence[Scenario], arguments: argparse.Namespace) -> list[Outcome]:
    """Play them as programs of their own, so many at a time; outcomes in the order of `chosen`."""
    waiting = list(chosen)
    running: dict[str, tuple[subprocess.Popen[bytes], float]] = {}
    done: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="cmqueue-chaos-") as directory:
        try:
            while waiting or running:
                while waiting and len(running) < arguments.jobs:
                    name = waiting.pop(0).name
                    running[name] = (_start(name, arguments, Path(directory)), time.monotonic())
                time.sleep(0.2)
                for name, (process, began) in list(running.items()):
                    if process.poll() is None and time.monotonic() - began > ONE_SECONDS:
                        process.terminate()
                        process.wait()
                    if process.poll() is not None:
                        del running[name]
                        done[name] = _outcome(name, arguments.seed, Path(directory))
                        _tell(console, done[name])
        finally:
            for process, _ in running.values():
                process.terminate()
            for process, _ in running.values():
                process.wait()
    return [done[scenario.name] for scenario in chosen]


def _start(name: str, arguments: argparse.Namespace, directory: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "chaos", name, "--seed", str(arguments.seed)]
    command += ["--rate", str(arguments.rate), "--json", str(directory / name)]
    if arguments.rounds is not None:
        command += ["--rounds", str(arguments.rounds)]
    with (directory / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "chaos.tied", *command], stdout=log, stderr=subprocess.STDOUT
        )


def _outcome(name: str, seed: int, directory: Path) -> Outcome:
    found = directory / name
    if found.exists():
        return Outcome.of_json(json.loads(found.read_text())[0])
    said = (directory / f"{name}.log").read_text(errors="replace")[-1500:]
    return Outcome(name, seed, 0, Reckoning(problems=[f"it did not come to its end: {said}"]))


def _tell(console: Console, outcome: Outcome) -> None:
    verdict = "kept" if outcome.kept else f"BROKEN: {outcome.books.problems[0]}"
    console.print(f"{outcome.scenario}: {outcome.seconds:.0f} s, {verdict}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
