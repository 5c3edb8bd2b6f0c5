"""The receiver of CM's webhooks on one core: 50,000 status reports in a minute, then as many as go."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figures
from benchmarks.loaded import OK, loaded, on_a_core
from benchmarks.scale import Scale
from benchmarks.stage import RECEIVER_SECRET, staged
from cmqueue.inlet import INLET, Inlet

RATE = 840  #: reports a second: 50,000 in a minute, and a few more, since they come at random moments
WIDE = 200  #: connections for a rate: answers may take a while, reports come nevertheless
CONNECTIONS = 32  #: for as many as go
WARM = 1.0  #: seconds of load before each measurement


def receipts(scale: Scale) -> Iterator[Figures]:
    """At a rate, with what was lost or refused; then full speed."""
    with staged() as stage:
        program = stage.receiver()
        port = on_a_core(stage, program)
        inlet = Inlet(stage.outbox)

        loaded(port, RECEIVER_SECRET, "receipt", WARM, CONNECTIONS)
        stage.client.delete(INLET)
        paced = loaded(port, RECEIVER_SECRET, "receipt", scale.receipts, WIDE, rate=RATE)
        answered = paced["statuses"].get(OK, 0)
        yield {
            "receipts.lost": float(answered - inlet.waiting()),
            "receipts.refused": float(paced["requests"] - answered),
        } | {f"receipts.{name}": paced[name] for name in ("p50", "p99", "most")}

        stage.client.delete(INLET)
        before = program.cpu()
        full = loaded(port, RECEIVER_SECRET, "receipt", scale.intake, CONNECTIONS)
        if full["statuses"].keys() != {OK}:
            raise RuntimeError(f"answers by status: {full['statuses']}")
        yield {
            "receipts.full": full["requests"] / full["seconds"],
            "receipts.cpu": (program.cpu() - before) / full["requests"] * 1e6,
        }
