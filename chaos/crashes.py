"""Workers that die: at each fail-point, at any moment, frozen beyond their lease, while they are scaled."""

from __future__ import annotations

import signal
from collections.abc import Callable

from chaos.fleet import LEASE
from chaos.scenario import Scenario
from chaos.stage import Stage, frozen
from worker.failpoint import PLACES

REACH_SECONDS = 40.0
POISONED = ("after_split",)
RECLAIM = LEASE + 5.0


def crash_at(place: str) -> Callable[[Stage], None]:
    def happen(stage: Stage) -> None:
        """A worker armed to kill itself there; in half of the rounds it is alone by then, its peer killed."""
        fleet, chance = stage.fleet, stage.chance
        passage = chance.randint(1, 9 if place.startswith("sweep") else 6)
        if place in POISONED:  # passed only where a request is refused as a whole
            passage = 1
            stage.sandbox.faults({"kind": "status", "status": 413, "probability": 0.2})
        armed = fleet.start(failpoint=f"{place}=crash@{passage}")
        fleet.await_up(armed)
        stage.await_watches()
        if armed.alive and chance.random() < 0.5:
            for peer in [worker for worker in fleet.alive if worker is not armed]:
                stage.kill(peer)

        def crashed() -> bool:
            if place in POISONED:
                stage.resume_lanes()
            return not armed.alive

        if not stage.within(REACH_SECONDS, crashed):
            stage.problems.append(f"{place} was not passed {passage} times in {REACH_SECONDS:g} s")
            fleet.kill(armed)
        stage.watch()
        stage.sandbox.clear()
        if not fleet.alive:
            fleet.await_up(fleet.start())

    return happen


def kill_any(stage: Stage) -> None:
    stage.pause(0.2, 2.5)
    if stage.chance.random() < 0.7:
        stage.busy()
    stage.kill(stage.chance.choice(stage.fleet.alive))
    stage.fleet.await_up(stage.fleet.start())
    stage.await_watches()


def freeze_one(stage: Stage) -> None:
    """Beyond its lease: its batches are given to others, and what it learns late still counts."""
    stage.busy()
    with frozen(stage.chance.choice(stage.fleet.alive).process.pid):
        stage.watch()
        stage.pause(LEASE + 4, LEASE + 8)
    stage.await_watches()
    stage.pause(1, 2)


def _scale(stage: Stage) -> None:
    """From one to four and back, told or killed by chance."""
    fleet = stage.fleet
    fleet.await_up(*[fleet.start() for _ in range(3)])
    stage.pause(2, 4)
    for worker in stage.chance.sample(fleet.alive, 3):
        if stage.chance.random() < 0.5:
            fleet.tell(worker)
        else:
            stage.busy()
            stage.kill(worker)
        stage.pause(0.2, 1.5)
    stage.await_watches()


def _killed_while_told(stage: Stage) -> None:
    """SIGTERM, again, and SIGKILL in the middle of the shutdown."""
    fleet = stage.fleet
    worker = stage.chance.choice(fleet.alive)
    worker.doomed = True
    stage.busy()
    worker.send(signal.SIGTERM)
    stage.pause(0.0, 0.6)
    worker.send(signal.SIGTERM)
    stage.pause(0.0, 0.6)
    stage.kill(worker)
    fleet.await_up(fleet.start())
    stage.await_watches()


FAILPOINTS = [
    Scenario(name=f"crash-{place}", happen=crash_at(place), rounds=5, workers=1, limit=RECLAIM)
    for place in PLACES
]
CRASHES = [
    *FAILPOINTS,
    Scenario(name="kill-any-moment", happen=kill_any, rounds=8, workers=3, limit=RECLAIM),
    Scenario(name="kill-while-stopping", happen=_killed_while_told, rounds=5, limit=RECLAIM),
    Scenario(name="worker-frozen", happen=freeze_one, rounds=3, limit=RECLAIM),
    Scenario(name="scale-1-4-1", happen=_scale, rounds=3, workers=1, limit=RECLAIM),
]
