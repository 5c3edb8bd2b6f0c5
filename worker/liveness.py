"""Whether this worker still does its work, or stands still with a free thread and a backlog."""

from __future__ import annotations

from collections.abc import Collection

#: A worker is not called stuck before this many seconds, nor before two leases.
LEAST_PATIENCE = 60.0


class Liveness:
    """Watches for a standstill. Pure: what was seen, and when, are arguments.

    Only an unbroken run of sightings counts: Redis answered, a thread was free, a lane had a backlog that
    nothing holds, no process claimed from it, and no claim of this one came back. Anything else begins anew.
    """

    def __init__(self, lease: float) -> None:
        self.patience = max(LEAST_PATIENCE, 2 * lease)
        self._since: float | None = None

    def stuck(self, now: float, *, neglected: Collection[object], free: bool, claimed_at: float) -> bool:
        """Take one sighting at `now`, seconds; whether the standstill has lasted the patience.

        `neglected` are lanes with a backlog that nobody claimed from, `free` whether a thread could, and
        `claimed_at` when this process last heard the answer to a claim.
        """
        if not neglected or not free or (self._since is not None and claimed_at > self._since):
            self._since = None
        elif self._since is None:
            self._since = now
        return self._since is not None and now - self._since >= self.patience

    def interrupted(self) -> None:
        """Redis did not answer: nobody can be blamed."""
        self._since = None
