"""`cmqueue import` of a large file and one text: rows a second, from its start to its end, and its memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.messages import SENDER, numbers, text
from benchmarks.program import MIB, started
from benchmarks.scale import Scale
from benchmarks.stage import staged

POLL = 0.05  #: seconds between two looks at its memory


def campaign(scale: Scale) -> Iterator[Figures]:
    """The whole command: start, pre-flight and enqueueing. It runs on one core, Redis on another."""
    count = scale.campaign
    with staged() as stage:
        file = stage.logs / "people.csv"
        file.write_text("number,first_name\n" + "".join(f"{number},Ann\n" for number in numbers(count)))
        began = time.perf_counter()
        memory = _imported(file, stage.server.url)
        took = time.perf_counter() - began
        there = stage.outbox.audit().enqueued
        if there != count:
            raise RuntimeError(f"{there} of {count} rows were enqueued")
    yield {"import.rows": count / took, "import.memory": memory / MIB}


def _imported(file: Path, url: str) -> int:
    """The most resident bytes that it had."""
    command = ["cmqueue.cli", "import", str(file), "--from", SENDER, "--text", text(0), "--json"]
    with started(command, {"CMQUEUE_REDIS_URL": url}, file.with_suffix(".log")) as program:
        while program.process.poll() is None:
            try:
                program.look()
            except RuntimeError:  # it has ended since
                break
            time.sleep(POLL)
        if program.process.wait():
            raise RuntimeError(f"the import ended with {program.process.returncode}")
    return program.most_memory
