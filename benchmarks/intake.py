"""The HTTP intake on one core: requests a second of one message, how long each takes, and full requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import psutil

from benchmarks.figures import Figures
from benchmarks.load import FULL
from benchmarks.program import Program
from benchmarks.scale import Scale
from benchmarks.stage import Stage, staged
from demo.programs import ROOT, TOKEN

HALF = 750  #: requests a second: half of what is promised
CONNECTIONS = 32  #: of the load, for requests of one message
WIDE = 200  #: connections for a rate: answers may take a while, requests come nevertheless
FEW = 4  #: for full requests
WARM = 1.0  #: seconds of load before each measurement
STATUS = "200"


def intake(scale: Scale) -> Iterator[Figures]:
    """One message a request: as many as go, and at half of what is promised; then a thousand a request."""
    with staged() as stage:
        program, port = _pinned(stage)
        _load(port, "one", WARM, CONNECTIONS)
        before = program.cpu()
        one = _load(port, "one", scale.intake, CONNECTIONS)
        yield {
            "intake.one": one["requests"] / one["seconds"],
            "intake.cpu": (program.cpu() - before) / one["requests"] * 1e6,
        }
        paced = _load(port, "one", scale.intake, WIDE, rate=HALF)
        yield {f"intake.half.{name}": paced[name] for name in ("p50", "p99", "most")}
        for kind in ("distinct", "shared"):
            _load(port, kind, WARM, FEW)
            full = _load(port, kind, scale.intake, FEW)
            yield {f"intake.{kind}": full["requests"] * FULL / full["seconds"]}


def _pinned(stage: Stage) -> tuple[Program, int]:
    """Our intake on a core of its own, Redis on the others; and its port."""
    first, *others = _cores()
    _pin(stage.server.pid, others)
    program = stage.intake()
    _pin(program.process.pid, [first])
    return program, stage.port_of(program)


def _load(
    port: int, kind: str, seconds: float, connections: int, rate: float | None = None
) -> dict[str, Any]:
    """What the load generator tells. Raises RuntimeError where an answer was none of success."""
    command = [sys.executable, "-m", "benchmarks.load", str(port), TOKEN, kind]
    command += ["--seconds", str(seconds), "--connections", str(connections)]
    if rate is not None:
        command += ["--rate", str(rate)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        _pin(process.pid, _cores()[1:])
        told, _ = process.communicate(timeout=seconds + 60)
    if process.returncode:
        raise RuntimeError(f"the load ended with {process.returncode}")
    found: dict[str, Any] = json.loads(told)
    if found["statuses"].keys() != {STATUS}:
        raise RuntimeError(f"answers by status: {found['statuses']}")
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
