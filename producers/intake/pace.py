"""How many messages a second a client may send, counted in Redis over all intake processes."""

from __future__ import annotations

import time

from cmqueue import Outbox, OutboxUnavailable
from config.clients import Client
from producers.intake.answer import INTERNAL_ERROR
from producers.intake.request import Refused

KEY = "cmq:pace:"
RETRY_AFTER = 5  #: seconds, where Redis is away

# Books messages of a client, if what it sent before leaves room for them: a second's worth at once, or one
# larger request when nothing is owed. The key holds when all is paid for, in milliseconds since 1970.
# ARGV: what the messages cost, what a second's worth costs: milliseconds
# Returns 0, or the milliseconds to wait; then nothing is booked.
_BOOK = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local cost, room = tonumber(ARGV[1]), tonumber(ARGV[2])
local paid = math.max(tonumber(redis.call('GET', KEYS[1])) or 0, now) + cost
local wait = paid - now - math.max(cost, room)
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.3f', paid), 'PX', math.ceil(paid - now))
return 0
"""


class Pace:
    """The clients' limits. One round trip for a request of a client that has one, none for the others."""

    def __init__(self, outbox: Outbox) -> None:
        self._scripts = outbox.scripts
        self._book = outbox.scripts.client.register_script(_BOOK)
        self._failed_at = 0.0

    def spend(self, client: Client, messages: int, since: float | None = None) -> None:
        """Book `messages` of `client`; raises Refused (429, when to come again) where they are too many.

        Who has waited for a thread `since` then (`time.monotonic`), while Redis failed others, waits no more:
        else hundreds of them would wait for a silent Redis one after the other.
        """
        if client.per_second is None:
            return
        if since is not None and since <= self._failed_at:
            raise _unavailable()
        key = KEY + client.name
        # What costs less than a thousandth of a millisecond would round to nothing.
        args = [f"{max(messages * 1000 / client.per_second, 0.001):.3f}", "1000"]
        try:
            wait = int(self._scripts.guarded(lambda: self._book(keys=[key], args=args)))
        except OutboxUnavailable:
            self._failed_at = time.monotonic()
            raise _unavailable() from None
        if wait > 0:
            details = f"More than {client.per_second:g} messages a second; nothing was queued"
            raise Refused(INTERNAL_ERROR, details, status=429, retry_after=-(-wait // 1000))


def _unavailable() -> Refused:
    details = "The queue is not available and nothing was queued"
    return Refused(INTERNAL_ERROR, details, status=503, retry_after=RETRY_AFTER)
