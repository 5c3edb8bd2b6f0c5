"""Fail-points: named places on the worker's path where a test can make it crash, stall or raise.

Off by default: nothing is armed unless `CMQUEUE_FAILPOINTS=1` is set too. `CMQUEUE_FAILPOINT` holds orders,
comma-separated: `after_mark=crash` (SIGKILL itself), `mid_post=stall:8` (seconds), `before_settle=raise`. An
order holds at every passage; with `@3` at its end only at the third.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cmqueue.errors import SettingsError

SWITCH = "CMQUEUE_FAILPOINTS"
ORDERS = "CMQUEUE_FAILPOINT"

PLACES = (
    "before_claim",
    "after_claim",
    "after_encode",
    "before_mark",
    "after_mark",
    "mid_post",  #: the request is written, its answer not yet read
    "after_answer",
    "before_settle",
    "after_settle",
    "after_split",
    "sweep_start",
    "sweep_lost",  #: lost batches are told of, not yet reclaimed
    "sweep_moved",  #: a pass of the sweep is done, not yet told of
    "sweep_end",
)

Action = Literal["crash", "stall", "raise"]
_ORDER = re.compile(r"(\w+)=(crash|stall|raise)(?::([0-9.]+))?(?:@([0-9]+))?")


class FailpointError(RuntimeError):
    """A fail-point was ordered to raise."""


@dataclass(slots=True)
class Order:
    """What to do at one place, at which passage."""

    action: Action
    seconds: float = 0.0
    passage: int = 0  #: 0 is every one
    passed: int = field(default=0, init=False)


_armed: dict[str, Order] = {}
_lock = threading.Lock()


def arm(env: Mapping[str, str]) -> None:
    """Take the orders of `env`, or none without the switch. Raises SettingsError for one it cannot read."""
    _armed.clear()
    if env.get(SWITCH) != "1":
        return
    for text in filter(None, env.get(ORDERS, "").split(",")):
        match = _ORDER.fullmatch(text.strip())
        if match is None or match[1] not in PLACES:
            raise SettingsError(
                ORDERS, f"orders look like {PLACES[0]}=crash@2; the places are {', '.join(PLACES)}"
            )
        action: Action = match[2]  # type: ignore[assignment]  # the pattern names the three
        _armed[match[1]] = Order(action, float(match[3] or 0), int(match[4] or 0))


def at(place: str) -> None:
    """Pass `place`. Costs a look into an empty dict unless armed."""
    if not _armed:
        return
    with _lock:
        order = _armed.get(place)
        if order is None:
            return
        order.passed += 1
        if order.passage not in (0, order.passed):
            return
    match order.action:
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stall":
            time.sleep(order.seconds)
        case "raise":
            raise FailpointError(place)
