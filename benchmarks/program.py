"""A program under measurement: a process of ours, its CPU seconds and its memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from demo.programs import ROOT, end

MIB = 1 << 20


class Program:
    """One process. `began` is when it was started, seconds since 1970; `log` is what it prints."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.began = time.time()
        self._ps = psutil.Process(process.pid)
        self.most_memory = 0  #: resident bytes, the most that `look` saw

    def cpu(self) -> float:
        """CPU seconds so far, in its own code and in the kernel's."""
        times = self._ps.cpu_times()
        return float(times.user + times.system)

    def look(self) -> None:
        """Take note of its memory; raises RuntimeError where it is gone."""
        if self.process.poll() is not None:
            raise RuntimeError(f"a program ended with {self.process.returncode}: {self.process.args!r}")
        self.most_memory = max(self.most_memory, self._ps.memory_info().rss)


def cpu_of(pid: int) -> float:
    """CPU seconds of another process so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


@contextmanager
def started(module: Sequence[str], variables: Mapping[str, str], log: Path) -> Iterator[Program]:
    """`python -m MODULE …` with these variables, its output appended to `log`; told to stop at the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CMQUEUE_")}
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "chaos.tied", sys.executable, "-W", "ignore", "-m", *module],
            cwd=ROOT,
            env=kept | dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            # A terminal's signals reach the benchmark alone, which then ends its programs in order.
            start_new_session=True,
        )
    try:
        yield Program(process, log)
    finally:
        end(process)
