"""A scenario: a fault that is really produced, some rounds of it, and what must hold afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from chaos.receiver import WayBack
from chaos.reckoning import Reckoning
from chaos.stage import ALWAYS, Stage, staged

RATE = 150.0  #: messages a second
SETTLED = 0.99  #: of the doubts at at_most_once, where the way back tells of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`happen` is one round. `certain`: no message may end unknown of it. `limit`: seconds to recover.

    `settles`: of the messages in doubt at at_most_once nearly all end accepted or better.
    """

    name: str
    happen: Callable[[Stage], None]
    rounds: int = 1
    workers: int = 2
    certain: bool = False
    limit: float | None = 10.0
    options: tuple[str, ...] = ALWAYS
    own_broker: bool = False
    proxied: bool = False
    way_back: WayBack | None = None
    settles: bool = False


@dataclass(slots=True)
class Outcome:
    """One line of the table. `recovery` is the slowest, in seconds; None where nothing had to recover."""

    scenario: str
    seed: int
    rounds: int
    books: Reckoning = field(default_factory=Reckoning)
    recovery: float | None = None
    limit: float | None = None
    seconds: float = 0.0

    @property
    def kept(self) -> bool:
        return not self.books.problems

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, found: dict[str, Any]) -> Outcome:
        return cls(**found | {"books": Reckoning(**found["books"])})


def play(scenario: Scenario, seed: int, rounds: int | None = None, rate: float = RATE) -> Outcome:
    """Play the scenario once, `rounds` rounds of it; never raises but for an interrupt."""
    outcome = Outcome(scenario.name, seed, rounds or scenario.rounds, limit=scenario.limit)
    began = time.monotonic()
    with staged(
        scenario.name,
        seed,
        options=scenario.options,
        own_broker=scenario.own_broker,
        proxied=scenario.proxied,
        rate=rate,
        way_back=scenario.way_back,
    ) as stage:
        stage.fleet.await_up(*[stage.fleet.start() for _ in range(scenario.workers)])
        stage.load.start()
        stage.pause(0.5, 1.5)
        for _ in range(outcome.rounds):
            scenario.happen(stage)
        outcome.books = stage.finish()
        problems = outcome.books.problems
        outcome.recovery = round(max(stage.recoveries), 2) if stage.recoveries else None
        if scenario.certain and outcome.books.unknown:
            problems.append(
                f"{outcome.books.unknown} ended unknown, though the endpoint answered every request"
            )
        if scenario.settles:
            doubts = outcome.books.doubts["at_most_once"]
            if not doubts["doubted"] or doubts["settled"] < SETTLED * doubts["doubted"]:
                problems.append(f"of the doubts at at_most_once too few were settled: {doubts}")
        if scenario.limit is not None and (outcome.recovery or 0) > scenario.limit:
            problems.append(f"recovery took {outcome.recovery} s, more than {scenario.limit:g} s")
        stage.problems = problems  # the same list: the stage adds where the logs are
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome
