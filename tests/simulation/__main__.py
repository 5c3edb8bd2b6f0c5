"""Replay by hand: `python tests/simulation 4711` prints the run of a seed, `… 1 5000` tries many."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

from simulation import run  # noqa: E402 - the paths come first

from demo.valkey import running  # noqa: E402


def replay(seed: str, url: str) -> int:
    found = run(seed, url)
    print("\n".join(found.transcript))
    for wrong in found.broken:
        print(f"BROKEN: {wrong}")
    return 1 if found.broken else 0


def search(first: int, last: int, url: str) -> int:
    """Try many seeds; one line for each that fails, and what was met in all of them."""
    met: Counter[str] = Counter()
    failed, longest, began = 0, 0.0, time.monotonic()
    for seed in range(first, last):
        found = run(str(seed), url)
        met.update(found.counts)
        longest = max(longest, found.seconds)
        if found.broken:
            failed += 1
            print(f"seed {seed}: {found.broken[0]}", flush=True)
    took = (time.monotonic() - began) / (last - first)
    print(f"{failed} of {last - first} seeds failed; {took:.3f} s each; the longest lasted {longest:.0f} s")
    for name, count in sorted(met.items()):
        print(f"{count:8} {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    with running() as server:
        given = sys.argv[1:]
        sys.exit(
            replay(given[0], server.url)
            if len(given) == 1
            else search(int(given[0]), int(given[1]), server.url)
        )
