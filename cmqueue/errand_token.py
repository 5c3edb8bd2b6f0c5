"""An errand's wake-up token, and how often it was begun, as all processes see it.

Who takes the token publishes the wake-up; who begins the errand drops the token first, so that none is lost
between the two. The count of what was begun says whether anybody runs an errand that has work.
"""

from __future__ import annotations

from collections.abc import Sequence

from cmqueue.connection import Scripts
from cmqueue.errors import OutboxUnavailable
from cmqueue.partition import ROOT, WAKE_MS

_RUNS = ROOT + "errands"


def _token(name: str) -> str:
    return f"{ROOT}errand:{name}"


def take(scripts: Scripts, name: str) -> bool:
    """Take the token; True for the one who must publish. False too when Redis does not take it."""
    try:
        return bool(scripts.guarded(lambda: scripts.client.set(_token(name), b"1", nx=True, px=WAKE_MS)))
    except OutboxUnavailable:
        return False


def begin(scripts: Scripts, name: str) -> None:
    """Drop the token, and count one more run. Raises OutboxUnavailable."""
    pipe = scripts.client.pipeline(transaction=False)
    pipe.delete(_token(name))
    pipe.hincrby(_RUNS, name, 1)
    scripts.guarded(pipe.execute)


def begun(scripts: Scripts, names: Sequence[str]) -> list[int]:
    """How often each of `names` was begun, anywhere. Raises OutboxUnavailable."""
    found = scripts.guarded(lambda: scripts.client.hmget(_RUNS, list(names)))
    return [int(count or 0) for count in found]
