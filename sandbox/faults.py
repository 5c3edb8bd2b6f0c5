"""Misbehaviour ordered by a test: what goes wrong, with which requests, and for how long.

A fault is a JSON object. `kind` is one of KINDS; the conditions, all optional, say when it strikes:

    count         only the next so many requests
    seconds       only for so long from now
    probability   0 to 1, drawn from the seeded generator for each request
    numbers       only requests with one of these recipients (`0031600000*` matches a prefix); the
                  rejecting kinds then reject only these
    at            "transactions": strikes searches of the Transactions API, and nothing else; the kinds that
                  are about the wire alone may

The first fault in the list that fits strikes; the others do not see the request. `taken` says whether the
messages of a struck request count as sent all the same; where KINDS leaves it open a test may choose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

import orjson

from sandbox.numbers import normalised


class Kind(NamedTuple):
    """A kind of fault: whether its messages are taken, whether `taken` may say otherwise, its own fields."""

    taken: bool
    open: bool
    own: tuple[str, ...]
    says: str


KINDS = {
    "status": Kind(False, True, ("status", "retry_after", "body", "error_code"), "an HTTP status"),
    "refuse": Kind(False, False, (), "for `seconds`, nothing listens on the port: connection refused"),
    "drop_before": Kind(False, False, (), "the request is read, then the connection is reset"),
    "drop_after": Kind(True, False, (), "the messages are taken, then the connection is reset"),
    "partial_answer": Kind(True, True, (), "half of the answer, then the connection is closed"),
    "not_json": Kind(True, True, (), "HTTP 200 with an HTML page"),
    "slow": Kind(True, False, ("ms",), "the answer comes `ms` milliseconds late"),
    "drip": Kind(True, False, ("ms",), "the answer comes byte after byte, `ms` milliseconds apart"),
    "hang": Kind(False, True, (), "no answer, the connection stays open"),
    "missing_row": Kind(True, False, (), "the last row is left out of the answer"),
    "extra_row": Kind(True, False, (), "the answer has a row for a recipient nobody asked for"),
    "wrong_reference": Kind(True, False, (), "every row names a reference of another message"),
    "mixed": Kind(True, False, ("nth", "code"), "each nth recipient is rejected with `code`"),
    "reject_all": Kind(True, False, ("code",), "every recipient is rejected with `code`"),
    "empty": Kind(False, False, (), "at the Transactions API: nothing is found"),
}
_CONDITIONS = ("count", "seconds", "probability", "numbers", "at")
_ANYWHERE = frozenset({"status", "drop_before", "partial_answer", "not_json", "slow", "drip", "hang"})


class BadFault(ValueError):
    """This is no fault; the text names the property."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One ordered fault and how often it struck. Read KINDS for the meaning of its fields."""

    kind: str
    count: int | None = None
    seconds: float | None = None
    probability: float = 1.0
    numbers: tuple[str, ...] = ()
    at: str = "gateway"
    taken: bool = False
    status: int = 503
    retry_after: str | None = None
    body: str = "html"
    error_code: int | None = None
    ms: float = 1000.0
    nth: int = 2
    code: int = 402
    until: float = field(default=float("inf"))  #: on the clock of the list it is in
    struck: int = 0
    seen: int = 0  #: recipients that passed a `mixed`

    def matches(self, number: str) -> bool:
        """Whether the fault means this recipient."""
        if not self.numbers:
            return True
        number = normalised(number)
        return any(
            number.startswith(wanted[:-1]) if wanted.endswith("*") else number == normalised(wanted)
            for wanted in self.numbers
        )

    def spent(self, now: float) -> bool:
        return now >= self.until or (self.count is not None and self.struck >= self.count)

    def as_json(self, now: float) -> dict[str, Any]:
        """The fault as it was ordered, with what became of it."""
        own = {name: getattr(self, name) for name in KINDS[self.kind].own}
        conditions = {
            "count": self.count,
            "seconds": self.seconds,
            "probability": None if self.probability == 1 else self.probability,
            "numbers": list(self.numbers) or None,
            "at": None if self.at == "gateway" else self.at,
        }
        return {
            "kind": self.kind,
            "taken": self.taken,
            **{name: value for name, value in (own | conditions).items() if value is not None},
            "struck": self.struck,
            "active": not self.spent(now),
        }


def read_faults(text: str | bytes) -> list[Fault]:
    """Faults from JSON, an object or an array of them; raises BadFault, and then none is to be had."""
    try:
        orders = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadFault("this is no JSON") from None
    return [read_fault(order) for order in (orders if isinstance(orders, list) else [orders])]


def read_fault(order: Mapping[str, Any]) -> Fault:
    """A fault from its object; raises BadFault."""
    if not isinstance(order, dict):
        raise BadFault("a fault is a JSON object")
    kind = KINDS.get(str(order.get("kind")))
    if kind is None:
        raise BadFault(f"kind: one of {', '.join(KINDS)}")
    allowed = {"kind", "taken", *_CONDITIONS, *kind.own}
    if unknown := sorted(set(order) - allowed):
        raise BadFault(f"{unknown[0]}: {order['kind']} takes only {', '.join(sorted(allowed))}")
    fields = {name: _CHECKS[name](name, value) for name, value in order.items() if value is not None}
    if not kind.open and fields.get("taken", kind.taken) != kind.taken:
        raise BadFault(f"taken: {order['kind']} is always {str(kind.taken).lower()}")
    if order["kind"] == "refuse" and not (
        order.get("seconds") and set(order) <= {"kind", "seconds", "taken"}
    ):
        raise BadFault("refuse takes `seconds` and nothing else: what never arrives cannot be counted")
    _settle_place(fields)
    fields.setdefault("taken", kind.taken)
    if "error_code" in fields:
        fields.setdefault("body", "json")
    if order["kind"] == "drip":
        fields.setdefault("ms", 100.0)
    return Fault(**fields)


def _settle_place(fields: dict[str, Any]) -> None:
    """Where it strikes: `empty` at the Transactions API alone, what is about rows never there."""
    kind = fields["kind"]
    at = fields.setdefault("at", "transactions" if kind == "empty" else "gateway")
    if (kind == "empty") if at == "gateway" else (kind != "empty" and kind not in _ANYWHERE):
        raise BadFault(f"at: {kind} does not strike there")


class Faults:
    """The faults in force. `clock` is in seconds and only ever rises; `chance` is seeded by the caller."""

    def __init__(self, clock: Callable[[], float], chance: Random) -> None:
        self._clock = clock
        self._chance = chance
        self._list: list[Fault] = []

    def add(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            if fault.seconds is not None:
                fault.until = self._clock() + fault.seconds
            self._list.append(fault)

    def clear(self) -> None:
        self._list.clear()

    def as_json(self) -> list[dict[str, Any]]:
        now = self._clock()
        return [fault.as_json(now) for fault in self._list]

    def strike(self, numbers: Callable[[], list[str]], *, at: str = "gateway") -> Fault | None:
        """The fault that strikes a request to these `numbers` (asked for only when needed), counted."""
        if not self._list:
            return None
        now = self._clock()
        for fault in self._list:
            if fault.kind == "refuse" or fault.at != at or fault.spent(now):
                continue
            if fault.numbers and not any(fault.matches(number) for number in numbers()):
                continue
            if fault.probability < 1 and self._chance.random() >= fault.probability:
                continue
            fault.struck += 1
            return fault
        return None


def _whole(low: int, high: int) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise BadFault(f"{name}: a whole number from {low} to {high}")
        return value

    return check


def _number(low: float, high: float) -> Callable[[str, Any], float]:
    def check(name: str, value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise BadFault(f"{name}: a number from {low:g} to {high:g}")
        return float(value)

    return check


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadFault(f"{name}: true or false")
    return value


def _numbers(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise BadFault(f"{name}: an array of numbers as texts, with at least one")
    return tuple(value)


def _retry_after(name: str, value: Any) -> str:
    text = str(value)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | str)
        or not (text.isascii() and text.isprintable())
    ):
        raise BadFault(f"{name}: seconds, or an HTTP date")
    return text


def _place(name: str, value: Any) -> str:
    if value not in ("gateway", "transactions"):
        raise BadFault(f"{name}: gateway or transactions")
    return str(value)


def _body(name: str, value: Any) -> str:
    if value not in ("html", "json"):
        raise BadFault(f"{name}: html or json")
    return str(value)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "kind": lambda _, value: value,
    "count": _whole(1, 2**31),
    "seconds": _number(0.001, 3600),
    "probability": _number(0, 1),
    "numbers": _numbers,
    "at": _place,
    "taken": _flag,
    "status": _whole(200, 599),
    "retry_after": _retry_after,
    "body": _body,
    "error_code": _whole(1, 9999),
    "ms": _number(0, 3_600_000),
    "nth": _whole(1, 2**31),
    "code": _whole(1, 9999),
}
