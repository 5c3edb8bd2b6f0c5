"""Where the sandbox tells what happens, and how: a JSON object, of which each key may be left out.

status_url, inbound_url, event_url   where; null tells nothing, which is how it starts
format       json, xml or get: the form of status reports
mix          what becomes of messages, as weights of courses: {"delivered": 9, "failed:24": 1}
accepted     0 to 1: how often "accepted by the operator" is reported before the rest
delay        before each report of a message: fixed:50, uniform:10-90 or lognormal:50,0.5 (milliseconds)
duplicates   0 to 1: how often a report is told twice, the second time one more delay later
reordered    0 to 1: how often a message's reports are told in the wrong order
early        0 to 1: how often a message's reports are all told before its POST is answered
numbers      00, plus, bare or mixed: how a report writes the number
speed        CM tries again every 5 minutes, for 7 days (inbound messages: 30); this many times faster
timeout      seconds that a receiver has for its answer
hold         reports held at most; what is more is counted as overflowed, and never told
transactions seconds until a message is visible in the Transactions API; null: there is none
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from random import Random
from typing import Any
from urllib.parse import urlsplit

import orjson

from sandbox.course import read_course
from sandbox.latency import read_latency
from sandbox.report import FORMATS

NUMBER_FORMS = ("00", "plus", "bare", "mixed")


class BadWebhooks(ValueError):
    """These are no settings; the text names the property."""


@dataclass(slots=True, kw_only=True)
class Webhooks:
    """The settings in force. Shared by all that tell; changed in place by `update`."""

    status_url: str | None = None
    inbound_url: str | None = None
    event_url: str | None = None
    format: str = "json"
    mix: dict[str, float] = field(
        default_factory=lambda: {"delivered": 95, "failed:24": 2, "failed": 1, "rejected": 1, "none": 1}
    )
    accepted: float = 1.0
    delay: str = "fixed:50"
    duplicates: float = 0.0
    reordered: float = 0.0
    early: float = 0.0
    numbers: str = "00"
    speed: float = 1.0
    timeout: float = 10.0
    hold: int = 200_000
    transactions: float | None = None

    def update(self, changes: Mapping[str, Any]) -> None:
        """Put changes that `read_webhooks` made in force."""
        for name, value in changes.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def wait(self, chance: Random) -> float:
        """The seconds before a report."""
        return _latency(self.delay)(chance)


def read_webhooks(text: str | bytes) -> dict[str, Any]:
    """Changes from JSON, checked; raises BadWebhooks, and then none is to be had."""
    try:
        changes = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadWebhooks("this is no JSON") from None
    if not isinstance(changes, dict):
        raise BadWebhooks("webhooks are a JSON object")
    for name, value in changes.items():
        if name not in _CHECKS:
            raise BadWebhooks(f"{name}: one of {', '.join(known.name for known in fields(Webhooks))}")
        _CHECKS[name](name, value)
    return changes


_latency = lru_cache(maxsize=64)(read_latency)


def _url(name: str, value: Any) -> None:
    try:
        good = value is None or (
            urlsplit(value).scheme in ("http", "https")
            and urlsplit(value).hostname
            and urlsplit(value).port != 0
            and value.isascii()
            and value.isprintable()
            and " " not in value
        )
    except (ValueError, AttributeError, TypeError):
        good = False
    if not good:
        raise BadWebhooks(f"{name}: an http or https URL, or null")


def _one_of(*known: str) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if value not in known:
            raise BadWebhooks(f"{name}: one of {', '.join(known)}")

    return check


def _number(low: float, high: float) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise BadWebhooks(f"{name}: a number from {low:g} to {high:g}")

    return check


def _whole(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 2**31:
        raise BadWebhooks(f"{name}: a whole number from 1 to {2**31}")


def _mix(name: str, value: Any) -> None:
    if not isinstance(value, dict) or not value:
        raise BadWebhooks(f"{name}: an object of courses and their weights")
    for course, weight in value.items():
        try:
            read_course(course)
        except ValueError as problem:
            raise BadWebhooks(f"{name}: {problem}") from None
        _number(0, 1e9)(name, weight)
    if not sum(value.values()):
        raise BadWebhooks(f"{name}: one weight is above 0")


def _delay(name: str, value: Any) -> None:
    try:
        read_latency(str(value))
    except ValueError as problem:
        raise BadWebhooks(f"{name}: {problem}") from None


def _visible_after(name: str, value: Any) -> None:
    if value is not None:
        _number(0, 1e9)(name, value)


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "status_url": _url,
    "inbound_url": _url,
    "event_url": _url,
    "format": _one_of(*FORMATS),
    "mix": _mix,
    "accepted": _number(0, 1),
    "delay": _delay,
    "duplicates": _number(0, 1),
    "reordered": _number(0, 1),
    "early": _number(0, 1),
    "numbers": _one_of(*NUMBER_FORMS),
    "speed": _number(0.001, 1e6),
    "timeout": _number(0.001, 600),
    "hold": _whole,
    "transactions": _visible_after,
}
