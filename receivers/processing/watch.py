"""The watch over Safeguard: what safeguard.py decides, on counts that all processes share in Redis.

cmq:safeguard:<account>:said:<code>   somebody has told of it within the minute
cmq:safeguard:<account>:recent        zset: which recipients (hashes) were refused when
cmq:safeguard:<account>:slowed        for as long as the account is slowed
cmq:safeguard:<account>:times         how often it was without an hour of quiet
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from cmqueue.identity import keyed
from cmqueue.outbox import Outbox
from cmqueue.partition import ROOT
from cmqueue.standard_error import StandardError
from receivers.processing import journal, safeguard

Slow = Callable[[str, float], None]  #: slows an account for so many seconds


class Watch:
    """Alarms, and a slower account. Raises OutboxUnavailable; a repeat counts no recipient twice."""

    def __init__(self, outbox: Outbox, slow: Slow) -> None:
        self._registry = outbox.registry
        self._client = outbox.scripts.client
        self._guarded = outbox.scripts.guarded
        self._slow = slow

    def reported(self, account: str, error: StandardError, numbers: Collection[str]) -> None:
        """Messages of `account` to `numbers` were blocked by Safeguard."""
        at = f"{ROOT}safeguard:{account}:"
        said = at + f"said:{error.code}"
        if self._guarded(lambda: self._client.set(said, b"1", nx=True, px=round(safeguard.SILENCE * 1000))):
            journal.safeguarded(account, error, len(numbers))
        if safeguard.counts(error.code) and safeguard.is_the_accounts(self._refused(at, numbers)):
            self._slow_down(account, at)

    def _refused(self, at: str, numbers: Collection[str]) -> int:
        """How many recipients were refused within the minute; none while the account is slowed."""
        now, key = time.time(), self._registry.key
        pipe = self._client.pipeline(transaction=False)
        pipe.exists(at + "slowed")
        pipe.zremrangebyscore(at + "recent", 0, now - safeguard.WITHIN)
        pipe.zadd(at + "recent", {keyed(key, "safeguard", number.encode()): now for number in numbers})
        pipe.expire(at + "recent", round(safeguard.WITHIN * 2))
        pipe.zcard(at + "recent")
        slowed, *_, recipients = self._guarded(pipe.execute)
        if not slowed:
            return int(recipients)
        self._guarded(lambda: self._client.delete(at + "recent"))
        return 0

    def _slow_down(self, account: str, at: str) -> None:
        """Slow it, then write that down: a process that dies between the two leaves the next to slow it."""
        times = int(self._guarded(lambda: self._client.get(at + "times")) or 0)
        seconds = safeguard.slowed_for(times)
        journal.slowed(account, seconds)
        self._slow(account, seconds)
        pipe = self._client.pipeline(transaction=False)
        pipe.set(at + "slowed", b"1", px=round(seconds * 1000))
        pipe.set(at + "times", times + 1, px=round((seconds + safeguard.QUIET) * 1000))
        pipe.delete(at + "recent")
        self._guarded(pipe.execute)
