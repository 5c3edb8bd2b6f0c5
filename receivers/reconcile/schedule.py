"""When to ask about a message that nobody knows about. Pure: the time is an argument.

In doubt: soon after it began, for CM may show the message at once, and shortly before it ends, when a resend
or `unknown` would follow. Unknown: some times in the hours that follow, for a late yes still corrects it.
"""

from __future__ import annotations

from typing import NamedTuple

SOON = 3.0  #: seconds after doubt began, in a window that is long enough
LATE = 10.0  #: seconds before it ends
SHARE = 4  #: in a shorter window, this part of it
AFTERWARDS = (300.0, 3600.0, 6 * 3600.0)  #: seconds after it ended unknown
HORIZON = AFTERWARDS[-1] + 3600.0  #: after which nobody asks any more


class Doubt(NamedTuple):
    """A message that CM may have taken: in doubt from `began` until `ends`, or unknown since `began`, when
    `ends` is None. It was sent before `sent`. Seconds since 1970, by Redis's clock.
    """

    key: str
    reference: str
    number: str
    sent: float
    began: float
    ends: float | None

    def __repr__(self) -> str:
        return f"Doubt(key={self.key!r}, reference={self.reference!r})"


def moments(doubt: Doubt) -> list[float]:
    """When to ask about it, in their order."""
    if doubt.ends is None:
        return [doubt.began + after for after in AFTERWARDS]
    part = max(doubt.ends - doubt.began, 0.0) / SHARE
    return [doubt.began + min(SOON, part), doubt.ends - min(LATE, part)]


def due(doubt: Doubt, now: float) -> float | None:
    """The last of its moments that has come; the ones before it need no asking any more."""
    come = [moment for moment in moments(doubt) if moment <= now]
    return come[-1] if come else None


def urgency(doubt: Doubt) -> float:
    """What to ask about first has the least: what ends first, and what has ended last."""
    return float("inf") if doubt.ends is None else doubt.ends


def backoff(failures: int, retry_after: float | None) -> float:
    """Seconds to ask nothing for, after so many failures in a row, the first being 1."""
    return float(min(max(retry_after or 0.0, 5.0 * 2 ** min(failures - 1, 6)), 900.0))
