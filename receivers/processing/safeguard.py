"""Safeguard: CM blocks messages of an account by limits and blocks that its owner has set there.

Every such report is an alarm (one line a minute for each account and code). Whether the account is slowed is
another question, for whoever slows it holds up everybody's codes:

* A blocked destination (28, where CM's text says Safeguard) is refused at any pace, and the others are not.
  So it slows nothing.
* A sending limit (47) may be that of one recipient who was sent too much. Only where ten different recipients
  are refused within a minute is it the account's own: whatever it goes on sending fails. Then nothing is
  claimed for a minute, twice as long each time that it goes on, a quarter of an hour at most; after each the
  outbox probes by itself. Reports that come while the account is slowed are of messages that were sent
  before, and count for nothing. After an hour without them it begins at a minute again.

The account is never stopped: a limit ends by itself, and nobody should have to be awake for it.
"""

from __future__ import annotations

RECIPIENTS = 10  #: that were refused
WITHIN = 60.0  #: seconds
FIRST = 60.0  #: seconds that the account is slowed for
LONGEST = 900.0
QUIET = 3600.0  #: seconds after which it begins at FIRST again
SILENCE = 60.0  #: seconds between two lines of the same account and code

_LIMIT = 47  #: CM's standard error for a sending limit


def counts(code: int) -> bool:
    """Whether a report with this Safeguard code counts towards slowing the account."""
    return code == _LIMIT


def is_the_accounts(recipients: int) -> bool:
    """Whether that many recipients, refused within a minute, mean the whole account."""
    return recipients >= RECIPIENTS


def slowed_for(times: int) -> float:
    """Seconds to slow the account for, which was slowed `times` before without an hour of quiet."""
    return min(FIRST * 2.0 ** min(times, 10), LONGEST)
