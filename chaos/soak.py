"""`python -m chaos.soak`: mixed lanes for an hour, a fault every 30 s, and flat memory at the end.

Whatever breaks a promise exits 1: the books at any time, the reckoning at the end, a lane that stands still,
a worker that grew. One worker lives through all of it, so that its memory means something; its peer is
killed, told to end and replaced.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from chaos.crashes import RECLAIM, freeze_one
from chaos.endpoint import misbehave
from chaos.fleet import Worker
from chaos.outages import cut, cut_clients, freeze, kill, kill_broker, partition, restart, slow
from chaos.scenario import Outcome
from chaos.stage import ALWAYS, Stage, staged
from chaos.table import TABLE_WIDTH, table
from worker.failpoint import PLACES

SECONDS = 3600
FAULT_EVERY = 30.0
RATE = 30.0
SAMPLE_EVERY = 2.0
MOST_GROWTH = 1.2
REACH_SECONDS = 25.0


def _peers(stage: Stage) -> list[Worker]:
    """The workers that may be ended: all but the first."""
    return [worker for worker in stage.fleet.alive if worker is not stage.fleet.all[0]]


def kill_peer(stage: Stage) -> None:
    for peer in _peers(stage):
        stage.kill(peer)
    stage.fleet.await_up(stage.fleet.start())
    stage.await_watches()


def tell_peer(stage: Stage) -> None:
    for peer in _peers(stage):
        stage.fleet.tell(peer)
    stage.fleet.await_up(stage.fleet.start())


def crash_one(stage: Stage) -> None:
    """A third worker that kills itself at a fail-point drawn by chance."""
    armed = stage.fleet.start(failpoint=f"{stage.chance.choice(PLACES)}=crash@{stage.chance.randint(1, 6)}")
    if not stage.within(REACH_SECONDS, lambda: not armed.alive):
        stage.fleet.kill(armed)  # its peers were quicker: no fault, only a worker that went
    stage.watch()
    stage.await_watches()


def misbehave_shortly(stage: Stage) -> None:
    misbehave(stage, 8, 10)


FAULTS: tuple[Callable[[Stage], None], ...] = (
    kill_peer,
    tell_peer,
    crash_one,
    freeze_one,
    restart,
    kill,
    cut_clients,
    freeze,
    partition,
    cut,
    slow,
    kill_broker,
    misbehave_shortly,
)


class Scales:
    """Weighs the workers every so often, in a thread of its own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scales", daemon=True)
        #: by log's name: (seconds since the start, bytes)
        self.weights: dict[str, list[tuple[float, int]]] = {}
        self._thread.start()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stop.wait(SAMPLE_EVERY):
            for worker in list(self._stage.fleet.all):
                if worker.alive and worker.up and (weight := worker.rss()):
                    self.weights.setdefault(worker.log.stem, []).append((time.monotonic() - began, weight))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def growth(self, lived: float) -> dict[str, tuple[float, float]]:
        """Median MiB in the first and the last quarter of each life of at least `lived` seconds."""
        found = {}
        for name, weights in self.weights.items():
            if weights[-1][0] - weights[0][0] < lived:
                continue
            quarter = max(1, len(weights) // 4)
            first, last = weights[:quarter], weights[-quarter:]
            found[name] = tuple(statistics.median(w for _, w in part) / (1 << 20) for part in (first, last))
        return found  # type: ignore[return-value]  # two parts make a pair


def soak(console: Console, seed: int, seconds: float, rate: float) -> Outcome:
    """Run it; a line for each fault as it goes."""
    outcome = Outcome("soak", seed, 0, limit=RECLAIM, seconds=seconds)
    suffered = Counter[str]()
    with staged("soak", seed, options=ALWAYS, own_broker=True, proxied=True, rate=rate) as stage:
        stage.fleet.await_up(stage.fleet.start(), stage.fleet.start())
        stage.load.start()
        scales = Scales(stage)
        began = time.monotonic()
        deck: list[Callable[[Stage], None]] = []
        while (now := time.monotonic() - began) < seconds:
            deck = deck or stage.chance.sample(FAULTS, len(FAULTS))
            fault = deck.pop()
            name = fault.__name__
            fault(stage)
            stage.resumed(counts=False)
            suffered[name] += 1
            outcome.rounds += 1
            stage.witness.look()
            audit = stage.outbox.audit()
            if stage.fleet.deserters():
                break  # told of at the end
            if not audit.balanced:
                stage.problems.append(f"after {name}: {'; '.join(audit.problems[:3])}")
            books = "balance" if audit.balanced else "DO NOT BALANCE"
            weight = stage.fleet.all[0].rss() / (1 << 20)
            console.print(
                f"{now:6.0f} s  {name:<18} {audit.enqueued:>8,} enqueued, "
                f"{audit.waiting.total():>5,} waiting, books {books}, {weight:.1f} MiB"
            )
            time.sleep(max(0.0, min(FAULT_EVERY, seconds) - (time.monotonic() - began - now)))
        scales.stop()
        outcome.books = stage.finish()
        for name, (first, last) in scales.growth(seconds / 2).items():
            console.print(f"{name}: {first:.1f} MiB in its first quarter, {last:.1f} MiB in its last")
            if last > first * MOST_GROWTH:
                outcome.books.problems.append(f"{name} grew from {first:.1f} to {last:.1f} MiB")
        outcome.recovery = round(max(stage.recoveries), 2) if stage.recoveries else None
        if (outcome.recovery or 0) > RECLAIM:
            outcome.books.problems.append(f"recovery took {outcome.recovery} s, more than {RECLAIM:g} s")
        stage.problems = outcome.books.problems
    console.print(f"Faults: {', '.join(f'{count} {name}' for name, count in sorted(suffered.items()))}")
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"default {SECONDS}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=RATE, help=f"messages a second (default {RATE:g})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome there too")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(highlight=False, width=max(TABLE_WIDTH, Console().width))
    outcome = soak(console, arguments.seed, arguments.seconds, arguments.rate)
    if arguments.json:
        arguments.json.write_text(json.dumps([outcome.as_json()], indent=1))
    console.print(table([outcome], f"soak of {arguments.seconds:g} s, seed {arguments.seed}"))
    for problem in outcome.books.problems:
        console.print(problem, style="red", markup=False)
    return 0 if outcome.kept else 1


if __name__ == "__main__":
    sys.exit(main())
