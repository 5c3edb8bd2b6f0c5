"""An endpoint that does everything wrong, by chance."""

from __future__ import annotations

from typing import Any

from chaos.scenario import Scenario
from chaos.stage import Stage

#: Each strikes about one request in fifty; together more than a third. The sandbox reads them in this order.
ORDERS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 502, "taken": True},
    {"kind": "status", "status": 502, "taken": False},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 503, "retry_after": 1},
    {"kind": "status", "status": 429, "retry_after": 1},
    {"kind": "status", "status": 504, "taken": True},
    {"kind": "status", "status": 500, "body": "json", "error_code": 999},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "partial_answer"},
    {"kind": "not_json", "taken": True},
    {"kind": "slow", "ms": 300},
    {"kind": "slow", "ms": 3000},
    {"kind": "drip", "ms": 300},
    {"kind": "hang", "taken": True},
    {"kind": "hang", "taken": False},
    {"kind": "missing_row"},
    {"kind": "extra_row"},
    {"kind": "wrong_reference"},
    {"kind": "mixed", "nth": 7, "code": 402},
    {"kind": "reject_all", "code": 500},
)
#: These stop the account or the lane, so they strike a few times and no more.
RARE: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 401},
    {"kind": "status", "status": 400, "body": "json", "error_code": 101},
    {"kind": "status", "status": 413},
)
PROBABILITY = 0.02


def misbehave(stage: Stage, low: float = 15, high: float = 20) -> None:
    """Everything at once for some seconds, and a door that shuts in the middle of it."""
    orders = [order | {"probability": PROBABILITY} for order in ORDERS]
    rare = [order | {"probability": PROBABILITY, "count": 2} for order in RARE]
    stage.sandbox.faults(*orders, *rare)
    stage.pause(low / 2, high / 2)
    stage.sandbox.faults({"kind": "refuse", "seconds": stage.chance.uniform(0.5, 2)})
    stage.pause(low / 2, high / 2)
    stage.sandbox.clear()


ENDPOINT = [Scenario(name="endpoint-faults", happen=misbehave, rounds=3, limit=None)]
