"""How long a peer asks to be left alone."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

#: No peer means a longer wait than this; it keeps absurd values out of logs and arithmetic.
LONGEST_RETRY_AFTER = 86_400.0


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After header, or None where it is absent or wrong (RFC 9110, 10.2.3).

    `value` is a number of seconds or an HTTP date; `now` is the time in seconds since 1970. A date that
    has passed is 0.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
        # An HTTP date is in GMT; one that says nothing must not be read in this machine's zone.
        wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return None  # what email.utils and datetime raise for the many ways a date can be wrong
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER)
