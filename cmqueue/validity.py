"""CM's `validity`: until when a message is worth delivering.

CM reads an absolute time, `2017-04-20 11:50:05 GMT`, `… 11:50:05+8` or `… 11:50:05-07:00`, where no zone
means the time of Amsterdam; or a relative one in hours or minutes, `2h` or `30m`, never both (the comments of
CM's .NET and Java SDKs). We read all of them, and write one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cmqueue.errors import InvalidMessage

RULE = "`YYYY-MM-DD HH:MM:SS` with GMT, +8 or -07:00 (without a zone: Amsterdam), or `2h`, or `30m`"
LATEST = 2**32 - 1  #: seconds since 1970; a job has four bytes for it

_RELATIVE = re.compile(r"([0-9]{1,4})([hm])")
_ABSOLUTE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?: ?(?:(GMT|UTC|Z)|([+-])([0-9]{1,2})(?::?([0-9]{2}))?))?"
)
_LONGEST_OFFSET = timedelta(hours=14)


def deadline(value: str | datetime, due: float) -> int:
    """`value` as seconds since 1970; a relative one counts from `due` (the same unit).

    A time without a zone that the end of summer repeats is taken as the earlier of the two. Raises
    InvalidMessage, also for a naive datetime.
    """
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise InvalidMessage("validity", "is a datetime without a zone", "datetimes carry their zone")
        return _within_range(value.timestamp())
    if not isinstance(value, str):
        raise InvalidMessage("validity", "is neither text nor a datetime", RULE)
    relative = _RELATIVE.fullmatch(value)
    if relative:
        amount = int(relative[1])
        if not amount:
            raise InvalidMessage("validity", "is zero", RULE)
        return _within_range(due + amount * (3600 if relative[2] == "h" else 60))
    absolute = _ABSOLUTE.fullmatch(value)
    if not absolute:
        raise InvalidMessage("validity", "has none of CM's forms", RULE)
    try:
        local = datetime.fromisoformat(absolute[1])
    except ValueError:
        raise InvalidMessage("validity", "is no date and time of the calendar", RULE) from None
    return _within_range(local.replace(tzinfo=_zone(*absolute.groups()[1:])).timestamp())


@lru_cache(maxsize=4096)
def wire(expires_at: int) -> str:
    """`expires_at`, seconds since 1970, as CM's `validity`: `YYYY-MM-DD HH:MM:SS GMT`."""
    return f"{datetime.fromtimestamp(expires_at, UTC):%Y-%m-%d %H:%M:%S} GMT"


def _zone(name: str | None, sign: str | None, hours: str | None, minutes: str | None) -> tzinfo:
    if name:
        return UTC
    if not sign:
        return _amsterdam()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if offset > _LONGEST_OFFSET or int(minutes or 0) > 59:
        raise InvalidMessage("validity", "has a zone that lies nowhere on earth", RULE)
    return timezone(-offset if sign == "-" else offset)


def _amsterdam() -> ZoneInfo:
    try:
        return ZoneInfo("Europe/Amsterdam")
    except ZoneInfoNotFoundError:
        raise InvalidMessage(
            "validity",
            "has no zone, and this machine has no time zone database to read it by",
            "install the package tzdata, or write the zone",
        ) from None


def _within_range(seconds: float) -> int:
    if not 0 < seconds <= LATEST:
        raise InvalidMessage("validity", "lies outside the years 1970 to 2105", RULE)
    return int(seconds)
