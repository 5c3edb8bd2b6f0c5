"""Staging: a worker that sends to the numbers of `CMQUEUE_ONLY_TO` alone."""

from __future__ import annotations

from collections.abc import Sequence

from cmqueue.job import Job
from cmqueue.settlement import Settlement
from cmqueue.state import Reason, State

_NOT_ALLOWED = Settlement(State.SUPPRESSED, Reason.NOT_ALLOWED, counts=False)
_NOT_RESENT = Settlement(State.AMBIGUOUS, Reason.NOT_ALLOWED, counts=False)


def not_allowed(jobs: Sequence[bytes], only_to: tuple[str, ...], doubt: float) -> dict[int, Settlement]:
    """What becomes of those of the packed `jobs` that may not go; `doubt` is the reconcile window, seconds.

    One that waits to be resent may have arrived: it was not suppressed, it is in doubt again.
    """
    delayed = _NOT_RESENT._replace(delay_ms=int(doubt * 1000))
    return {
        at: delayed if job.doubted else _NOT_ALLOWED
        for at, job in enumerate(map(Job.unpack, jobs))
        if not job.number.startswith(only_to)
    }
