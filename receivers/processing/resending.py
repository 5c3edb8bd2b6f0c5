"""When a message that failed for a passing cause goes again, as a new one."""

from __future__ import annotations

from cmqueue.standard_error import Kind

MINUTE = 60.0
#: A fault of the network or of a platform passes in minutes. A phone that is off, full or without credit does
#: not, and each further failure costs a message: half an hour and more.
WAITS = {Kind.RETRYABLE: 3 * MINUTE, Kind.LATER: 40 * MINUTE}
SPREAD = 0.25  #: of the wait, either way: what failed together does not come back together


def delay(kind: Kind, chance: float) -> float | None:
    """Seconds until the message goes again, None where it does not; `chance` is from 0 to 1."""
    wait = WAITS.get(kind)
    return None if wait is None else wait * (1 - SPREAD + 2 * SPREAD * chance)
