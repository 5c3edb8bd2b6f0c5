"""Answers that are lost after CM took the messages: what the way back makes of the doubt."""

from __future__ import annotations

from chaos.receiver import WayBack
from chaos.scenario import Scenario
from chaos.stage import Stage

EVERY = 20


def drop_answers(stage: Stage) -> None:
    """About every 20th answer is lost."""
    stage.sandbox.faults({"kind": "drop_after", "probability": 1 / EVERY})
    stage.pause(15, 20)
    stage.sandbox.clear()


#: With reports alone, with both, and with the Transactions API alone.
ANSWERS = [
    Scenario(name="answers-dropped", happen=drop_answers, limit=None, way_back=WayBack(), settles=True),
    Scenario(
        name="answers-dropped-both",
        happen=drop_answers,
        limit=None,
        way_back=WayBack(visible_after=0.5),
        settles=True,
    ),
    Scenario(
        name="answers-dropped-api",
        happen=drop_answers,
        limit=None,
        way_back=WayBack(reports=False, visible_after=0.5),
        settles=True,
    ),
]
