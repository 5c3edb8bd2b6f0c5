"""How many messages each measurement takes: the whole run, and a short one to see that everything works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Counts of messages, and seconds."""

    single: int = 2_000  #: calls of what takes one message a call
    many: int = 200_000
    broadcast: int = 500_000
    drain: int = 200_000
    drain_broadcast: int = 400_000
    naive: int = 2_500
    naive_slow: int = 700  #: with an endpoint that takes its time
    seconds: float = 15.0  #: of each measurement of latency
    bulk: int = 200_000
    memory: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    idle: float = 10.0
    share: int = 250_000
    intake: float = 8.0  #: seconds of each measurement of the intake
    receipts: float = 60.0  #: seconds of status reports at a rate
    campaign: int = 1_000_000  #: rows of a file
    web: int = 300  #: requests to an app in each framework
    rounds: int = 2


WHOLE = Scale()
SHORT = Scale(
    single=200,
    many=5_000,
    broadcast=10_000,
    drain=10_000,
    drain_broadcast=10_000,
    naive=200,
    naive_slow=100,
    seconds=1.0,
    bulk=10_000,
    memory=(2_000,),
    idle=1.0,
    share=20_000,
    intake=0.5,
    receipts=0.5,
    campaign=5_000,
    web=20,
    rounds=1,
)
