"""Status reports that found no message: counted, and kept for a day to be looked at.

The stream `cmq:unmatched` has an entry for each: `reference`, `number` (masked), `code`, `error`, `at`. Most
are of messages whose rows are past their retention, or that another system sent with the same account.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cmqueue.identity import masked
from cmqueue.outbox import Outbox
from cmqueue.report import Report

STREAM = "cmq:unmatched"
COUNT = "cmq:unmatched:count"
KEEP = 24 * 3600  #: seconds
MOST = 100_000
_LONGEST_REFERENCE = 32  #: characters, CM's own limit

# Begins with a write that can't grow, after which a full Redis lets it go on (see `begin_though_full` in
# scripts/common.lua). ARGV: seconds and number to keep; then reference, number, code, error, at; …
_ADD = """
local now = redis.call('TIME')
redis.call('XTRIM', KEYS[1], 'MINID', (now[1] - ARGV[1]) * 1000)
for n = 3, #ARGV, 5 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'reference', ARGV[n], 'number', ARGV[n + 1],
    'code', ARGV[n + 2], 'error', ARGV[n + 3], 'at', ARGV[n + 4])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('INCRBY', KEYS[2], (#ARGV - 2) / 5)
"""


class Stray(NamedTuple):
    """A report that found no message; `at` is when it came, in seconds since 1970."""

    report: Report
    at: float


class Unmatched:
    """The stream and its counter. Each call raises OutboxUnavailable."""

    def __init__(self, outbox: Outbox) -> None:
        self._registry = outbox.registry
        self._scripts = outbox.scripts
        self._add = outbox.scripts.client.register_script(_ADD)

    def add(self, strays: Sequence[Stray]) -> None:
        """Count and keep them; a repeat counts again."""
        if not strays:
            return
        key = self._registry.key
        args: list[str | int | float] = [KEEP, MOST]
        for report, at in strays:
            number = masked(key, report.number) if report.number else ""
            args += (_shown(key, report.reference), number, report.code, report.error, at)
        self._scripts.guarded(lambda: self._add(keys=[STREAM, COUNT], args=args))

    def count(self) -> int:
        """How many there have been, ever."""
        client = self._scripts.client
        return int(self._scripts.guarded(lambda: client.get(COUNT)) or 0)


def _shown(key: bytes, reference: str) -> str:
    """A reference as it may be kept. One that another system made may be anything, a phone number too."""
    short = reference[:_LONGEST_REFERENCE]
    return short if short.isascii() and short.isalnum() and not short.isdigit() else masked(key, reference)
