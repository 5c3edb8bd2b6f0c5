"""A program that listens, on a core of its own, and the load on it from the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import psutil

from benchmarks.program import Program
from benchmarks.stage import Stage
from demo.programs import ROOT

OK = "200"


def on_a_core(stage: Stage, program: Program) -> int:
    """Keep `program` on one core and Redis on the others; the port that it listens on."""
    first, *others = _cores()
    _pin(stage.server.pid, others)
    _pin(program.process.pid, [first])
    return stage.port_of(program)


def loaded(
    port: int, token: str, kind: str, seconds: float, connections: int, rate: float | None = None
) -> dict[str, Any]:
    """What the load generator tells (`benchmarks.load`). Raises RuntimeError where it failed."""
    command = [sys.executable, "-m", "benchmarks.load", str(port), token, kind]
    command += ["--seconds", str(seconds), "--connections", str(connections)]
    if rate is not None:
        command += ["--rate", str(rate)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        _pin(process.pid, _cores()[1:])
        told, _ = process.communicate(timeout=seconds + 60)
    if process.returncode:
        raise RuntimeError(f"the load ended with {process.returncode}")
    found: dict[str, Any] = json.loads(told)
    return found


def _cores() -> list[int]:
    """The cores there are; two at least, though both may be the same."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    return cores if len(cores) > 1 else cores * 2


def _pin(pid: int, cores: Sequence[int]) -> None:
    """Keep a process, all its threads, on these cores; where the system knows no such thing, nothing."""
    if hasattr(os, "sched_setaffinity"):
        for thread in psutil.Process(pid).threads():
            os.sched_setaffinity(thread.id, cores)
