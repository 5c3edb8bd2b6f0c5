"""The HTTP intake on one core: requests a second of one message, how long each takes, and full requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.figures import Figures
from benchmarks.load import FULL
from benchmarks.loaded import OK, loaded, on_a_core
from benchmarks.scale import Scale
from benchmarks.stage import staged
from demo.programs import TOKEN

HALF = 750  #: requests a second: half of what is promised
CONNECTIONS = 32  #: of the load, for requests of one message
WIDE = 200  #: connections for a rate: answers may take a while, requests come nevertheless
FEW = 4  #: for full requests
WARM = 1.0  #: seconds of load before each measurement


def intake(scale: Scale) -> Iterator[Figures]:
    """One message a request: as many as go, and at half of what is promised; then a thousand a request."""
    with staged() as stage:
        program = stage.intake()
        port = on_a_core(stage, program)
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


def _load(
    port: int, kind: str, seconds: float, connections: int, rate: float | None = None
) -> dict[str, Any]:
    """What the load generator tells. Raises RuntimeError where an answer was none of success."""
    found = loaded(port, TOKEN, kind, seconds, connections, rate)
    if found["statuses"].keys() != {OK}:
        raise RuntimeError(f"answers by status: {found['statuses']}")
    return found
