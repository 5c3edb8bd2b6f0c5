"""How often an account may ask, and what was asked already: kept in Redis, for all processes together."""

from __future__ import annotations

from cmqueue.outbox import Outbox
from cmqueue.partition import ROOT
from receivers.reconcile.schedule import backoff

_FAILURES_LIFE = 3600
_LEAST_LIFE_MS = 60_000  #: of the memory that something was asked


class Pace:
    """Permits of one account. Raises OutboxUnavailable."""

    def __init__(self, outbox: Outbox, account: str, per_second: float) -> None:
        self._scripts = outbox.scripts
        self._permit = f"{ROOT}transactions:{account}"
        self._failures = f"{ROOT}transactions:failures:{account}"
        self._every_ms = max(1, round(1000 / per_second))

    def wait(self) -> float:
        """Take a permit: 0; or how many seconds there is none."""
        client, guarded = self._scripts.client, self._scripts.guarded
        if guarded(lambda: client.set(self._permit, b"1", nx=True, px=self._every_ms)):
            return 0.0
        return max(int(guarded(lambda: client.pttl(self._permit))), 1) / 1000

    def failed(self, retry_after: float | None) -> float:
        """Let nobody ask for a while, the longer the more often it failed; how many seconds."""
        client, guarded = self._scripts.client, self._scripts.guarded
        pipe = client.pipeline(transaction=False)
        pipe.incr(self._failures)
        pipe.expire(self._failures, _FAILURES_LIFE)
        failures, _ = guarded(pipe.execute)
        seconds = backoff(int(failures), retry_after)
        guarded(lambda: client.set(self._permit, b"1", px=round(seconds * 1000)))
        return seconds

    def answered(self) -> None:
        self._scripts.guarded(lambda: self._scripts.client.delete(self._failures))

    def first_to_ask(self, reference: str, moment: float, life: float) -> bool:
        """Whether nobody asked about `reference` for this moment yet; it is remembered for `life` seconds."""
        name, life_ms = _asked(reference, moment), max(round(life * 1000), _LEAST_LIFE_MS)
        client = self._scripts.client
        return bool(self._scripts.guarded(lambda: client.set(name, b"1", nx=True, px=life_ms)))

    def unasked(self, reference: str, moments: list[float]) -> None:
        """It was not answered: somebody may ask again."""
        names = [_asked(reference, moment) for moment in moments]
        self._scripts.guarded(lambda: self._scripts.client.delete(*names))


def _asked(reference: str, moment: float) -> str:
    return f"{ROOT}asked:{reference}:{round(moment * 1000)}"
