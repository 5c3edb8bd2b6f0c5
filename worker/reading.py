"""From one answer to one outcome for each message of the request.

What CM says by a row of its own outweighs the HTTP status; what proves nothing is doubt. The shape of an
answer is on CM's page "Responses & errors (JSON)":

    {"details": str, "errorCode": int, "messages":
     [{"to", "status", "reference", "parts", "messageDetails", "messageErrorCode"}, ...]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

import orjson

from cmqueue.state import Reason
from worker import codes
from worker.answer import Answer, NoAnswer, Response
from worker.codes import Action, Entry
from worker.outcome import Accepted, Ambiguous, Deferred, Outcome, Rejected, Untaken

Pair = tuple[str, str]  #: reference and number, as they went out; the pairs of a request are distinct
Row = Mapping[str, Any]  #: one object of `messages`, its keys as CM names them


@dataclass(frozen=True, slots=True)
class AccountFault:
    """Why the account has to stop: CM's code, or an HTTP status where `level` is one of STATUS."""

    level: codes.Level
    code: int
    meaning: str


@dataclass(frozen=True, slots=True)
class Overload:
    """The request was refused because of load; `retry_after` in seconds where the answer named it."""

    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer, read."""

    outcomes: list[Outcome] = field(repr=False)  #: in the order of what was expected
    account_fault: AccountFault | None = None
    refused_whole: int | None = None  #: the code or HTTP status that refused the request as such
    said: str = field(default="", repr=False)  #: the words of that refusal: CM's, or the table's without any
    overloaded: Overload | None = None
    answered: bool = False  #: a message was accepted or refused by its row, or CM itself refused the rest
    missing: int = 0  #: messages whose row an answer with rows lacks
    extra: int = 0  #: rows of no message of ours, or of one that had its row


def read(answer: Answer, expected: Sequence[Pair]) -> Reading:
    """What `answer` means for the messages of its request, `expected`. Never raises, whatever the body."""
    if isinstance(answer, NoAnswer):
        return _as_a_whole(codes.of_no_answer(answer.kind), 0, None, len(expected))
    by_status = codes.of_status(answer.status, has_retry_after=answer.retry_after is not None)
    envelope = _envelope(answer.body)
    if envelope is None:
        return _as_a_whole(by_status, answer.status, answer.retry_after, len(expected))
    code, rows, details = envelope
    if rows:
        return _by_rows(code, rows, expected)
    return _without_rows(answer, code, by_status, len(expected), details)


# The request as a whole.


def _without_rows(answer: Response, code: int | None, by_status: Entry, size: int, details: str) -> Reading:
    """CM's envelope, and no rows. Knowledge goes first: that of the code, then that of the status."""
    by_code = codes.of_request(code) if code is not None else None
    if by_code is None or code is None:
        return _as_a_whole(by_status, answer.status, answer.retry_after, size, details=details)
    if by_code.action in codes.CERTAIN:
        return _as_a_whole(by_code, code, answer.retry_after, size, answered=True, details=details)
    # A status says nothing was taken; a code that speaks of what was sent contradicts it, and that is doubt.
    if by_status.action in codes.CERTAIN and by_code.action is not Action.READ_ROWS:
        return _as_a_whole(by_status, answer.status, answer.retry_after, size, details=details)
    return _as_a_whole(by_code, code, None, size, missing=size if by_code.action is Action.READ_ROWS else 0)


def _as_a_whole(
    entry: Entry,
    code: int,
    retry_after: float | None,
    size: int,
    answered: bool = False,
    missing: int = 0,
    details: str = "",
) -> Reading:
    """The same outcome for all `size` messages, as `entry` has it."""
    fault = refused = overloaded = None
    said = ""
    outcome: Outcome
    match entry.action:
        case Action.STOP_ACCOUNT:
            outcome = Untaken(Reason.ACCOUNT_STOPPED, code)
            fault = AccountFault(entry.level, code, entry.meaning)
        case Action.REFUSE_WHOLE:
            outcome = Untaken(Reason.REQUEST_REFUSED, code)
            refused, said = code, details or entry.meaning
        case Action.OVERLOAD:
            outcome = Untaken(Reason.OVERLOADED, code, retry_after)
            overloaded = Overload(retry_after)
        case Action.RECONNECT:
            outcome = Untaken(Reason.NOT_CONNECTED)
        case Action.DOUBT | Action.READ_ROWS | Action.ACCEPT | Action.REJECT | Action.DEFER:
            # The last three are words about one message: about a request they prove nothing.
            outcome = Ambiguous(entry.reason, _storable(code))
        case unknown:
            assert_never(unknown)
    return Reading([outcome] * size, fault, refused, said, overloaded, answered, missing)


# Message by message.


def _by_rows(code: int | None, rows: list[Row], expected: Sequence[Pair]) -> Reading:
    missing = extra = 0
    results = _in_order(rows, expected)
    if results is None:
        places, extra = _places(rows, expected)
        missing = sum(not found for found in places)
        results = [_agreed(found) if found else (Ambiguous(Reason.ROW_MISSING), None) for found in places]
    outcomes = [outcome for outcome, _ in results]
    fault = next((fault for _, fault in results if fault), None)
    if code is not None and (entry := codes.of_request(code)).action is Action.STOP_ACCOUNT:
        fault = AccountFault(entry.level, code, entry.meaning)
    answered = fault is not None or any(type(outcome) in _EXPLICIT for outcome in outcomes)
    return Reading(outcomes, fault, answered=answered, missing=missing, extra=extra)


_EXPLICIT = {Accepted, Rejected, Deferred}
Result = tuple[Outcome, AccountFault | None]  #: what one row says, of its message and of the account

#: Nearly all rows of a request have one of these.
_ACCEPTED: dict[int, Result] = {parts: (Accepted(parts), None) for parts in range(256)}


def _in_order(rows: list[Row], expected: Sequence[Pair]) -> list[Result] | None:
    """The results of the everyday answer, every row in our order and spelling; else None."""
    if len(rows) != len(expected):
        return None
    try:
        if [(row["reference"], row["to"]) for row in rows] != list(expected):
            return None
        return [
            _ACCEPTED[row["parts"]]
            if type(code := row["messageErrorCode"]) is int and code == 0 and row["status"] == "Accepted"
            else _of_row(row)
            for row in rows
        ]
    except (KeyError, TypeError):
        return None  # other keys, or parts that are no small number: the careful way


def _places(rows: list[Row], expected: Sequence[Pair]) -> tuple[list[list[Row]], int]:
    """For each expected message its rows, and how many rows were of no use.

    A row is found by reference and number. CM may write a phone number in another of its forms; opaque
    recipients are compared as they are. A trial account gets no reference back: then the number decides,
    where only one message of the request has it.
    """
    exact: dict[Pair, int] = {}
    phones: dict[Pair, int | None] = {}
    numbers: dict[str, int | None] = {}
    for index, (reference, number) in enumerate(expected):
        key, phone = reference.upper(), _digits(number)
        exact[key, number] = index
        phones[key, phone] = None if (key, phone) in phones else index
        numbers[phone] = None if phone in numbers else index
    found: list[list[Row]] = [[] for _ in expected]
    extra = 0
    for row in rows:
        row = _spelled(row)  # noqa: PLW2901 - the same row, its keys as CM names them
        reference, number = _text(row.get("reference")).upper(), _text(row.get("to"))
        place = exact.get((reference, number))
        if place is None:
            phone = _digits(number)
            place = phones.get((reference, phone)) if reference else numbers.get(phone)
        if place is None:
            extra += 1
            continue
        extra += bool(found[place])
        found[place].append(row)
    return found, extra


def _agreed(rows: list[Row]) -> Result:
    """What the rows of one message say together: the first, unless another contradicts it."""
    first = _of_row(rows[0])
    if any(type(_of_row(row)[0]) is not type(first[0]) for row in rows[1:]):
        return Ambiguous(Reason.UNREADABLE_ANSWER), None
    return first


def _of_row(row: Row) -> Result:
    """What a row says; its keys are spelled as CM's page has them."""
    word = _text(row.get("status")).casefold()
    raw = row.get("messageErrorCode")
    code = 0 if raw is None else _number(raw)
    if code is None or word not in {"accepted", "rejected"}:
        return Ambiguous(Reason.UNREADABLE_ANSWER), None
    entry = codes.of_row(code, accepted=word == "accepted")
    match entry.action:
        case Action.ACCEPT:
            return Accepted(min(max(_number(row.get("parts")) or 0, 0), 255)), None
        case Action.REJECT:
            return Rejected(code), None
        case Action.DEFER:
            return Deferred(entry.reason, code), None
        case Action.STOP_ACCOUNT:
            return Untaken(Reason.ACCOUNT_STOPPED, code), AccountFault(entry.level, code, entry.meaning)
        case Action.OVERLOAD | Action.RECONNECT | Action.REFUSE_WHOLE | Action.READ_ROWS | Action.DOUBT:
            # All but the last are words about a request: about one message they prove nothing.
            return Ambiguous(entry.reason, _storable(code)), None
        case unknown:
            assert_never(unknown)


# The body.


def _envelope(body: bytes) -> tuple[int | None, list[Row], str] | None:
    """CM's `errorCode`, rows and `details`; None where the body is not CM's envelope."""
    try:
        # A byte order mark is no JSON, but some servers of Microsoft's kind write one.
        found = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict):
        return None
    if "errorCode" not in found or "messages" not in found:
        found = {key.casefold(): value for key, value in found.items()}
        found = {
            "errorCode": found.get("errorcode"),
            "messages": found.get("messages"),
            "details": found.get("details"),
        }
    code, messages = _number(found["errorCode"]), found["messages"]
    rows: list[Row] = [row for row in messages if isinstance(row, dict)] if isinstance(messages, list) else []
    return None if code is None and not rows else (code, rows, _text(found.get("details")))


_KEYS = {key.casefold(): key for key in ("reference", "to", "status", "parts", "messageErrorCode")}
_SPELLINGS = frozenset(_KEYS.values())


def _spelled(row: Row) -> Row:
    """The row with its keys as CM's page spells them ("JSON keys are case insensitive")."""
    if row.keys() >= _SPELLINGS:
        return row
    return {_KEYS.get(key.casefold(), key): value for key, value in row.items()}


def _text(value: object) -> str:
    """A string, or a number written as JSON number; nothing else is text."""
    return value if isinstance(value, str) else str(value) if type(value) is int else ""


def _number(value: object) -> int | None:
    """An integer, or one written as string; None for anything else, true and false included."""
    if type(value) is int:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return None


def _digits(number: str) -> str:
    """A phone number without the `+` or `00` before it. Anything else is opaque and stays as it is."""
    bare = number[1:] if number.startswith("+") else number.removeprefix("00")
    return bare if bare.isascii() and bare.isdigit() and not bare.startswith("0") else number


def _storable(code: int) -> int:
    """The code as a row can keep it: two bytes; 0 for what does not fit."""
    return code if 0 <= code <= 65535 else 0
