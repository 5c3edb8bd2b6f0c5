"""Wrong tokens and secrets, by the peer that sent them: the more lately, the longer their answer takes."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

FREE = 5  #: wrong ones that cost no wait: a person who mistypes one
FIRST_WAIT = 0.2  #: seconds for the next one; doubles with each
HALF_LIFE = 60.0  #: seconds in which half of a peer's wrong ones are forgotten
MOST_PEERS = 4096  #: kept; the one that has been quiet for longest is forgotten first


class _Peer(NamedTuple):
    wrong: float  #: how many lately; they fade
    at: float  #: when that was
    free_at: float  #: when all its answers are out: they wait in turn, however many it asks for at once


class Guesses:
    """What is remembered of wrong ones. It never holds a right one up, also not one from the same peer.

    `longest` is the longest wait, in seconds; `now` gives the seconds of a clock that never goes back.
    """

    def __init__(self, longest: float, now: Callable[[], float] = time.monotonic) -> None:
        self._longest = longest
        self._now = now
        self._peers: OrderedDict[str, _Peer] = OrderedDict()

    def wrong(self, address: str) -> float:
        """Book a wrong one from `address`; the seconds to wait before it is answered."""
        name, now = _network(address), self._now()
        known = self._peers.pop(name, _Peer(0.0, now, now))
        wrong = known.wrong * 0.5 ** ((now - known.at) / HALF_LIFE) + 1
        over = min(wrong - FREE, 20)  # of the exponent alone; the wait has its own bound
        step = min(FIRST_WAIT * 2 ** (over - 1), self._longest) if over > 0 else 0.0
        free_at = min(max(known.free_at, now) + step, now + self._longest)
        self._peers[name] = _Peer(wrong, now, free_at)
        if len(self._peers) > MOST_PEERS:
            self._peers.popitem(last=False)
        return free_at - now

    def __len__(self) -> int:
        return len(self._peers)


def _network(address: str) -> str:
    """The address; of IPv6 its network of 64 bits, since a single peer has all of that."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address) or parsed.ipv4_mapped is not None:
        return address
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
