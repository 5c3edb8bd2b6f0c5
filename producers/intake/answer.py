"""CM's answer: a row per message and recipient, codes, envelope ("API responses and errors (JSON)")."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from listening.turned_down import TurnedDown
from producers.intake.request import MALFORMED, Refused

NO_ACCOUNT = 101
NOT_ALL_SENT = 201
BAD_FROM, BAD_TO, BAD_NUMBER, BAD_BODY, BAD_FIELD = 301, 302, 303, 304, 305
INTERNAL_ERROR = 500

LONGEST_QUOTE = 64  #: characters of the caller's own that a row repeats for every recipient

Row = dict[str, Any]

_CODE_OF = {408: INTERNAL_ERROR, 503: INTERNAL_ERROR}  #: of a refusal that has none of CM's
_FIELD = re.compile(r"\w+")
#: the library's field: CM's name for it, and CM's code for what is wrong with it
_CODES = {
    "sender": ("from", BAD_FROM),
    "to": ("number", BAD_NUMBER),
    "text": ("body.content", BAD_BODY),
    "encoding": ("body.type", BAD_BODY),
    "rich_content": ("richContent", BAD_FIELD),
    "min_parts": ("minimumNumberOfMessageParts", BAD_FIELD),
    "max_parts": ("maximumNumberOfMessageParts", BAD_FIELD),
    "channels": ("allowedChannels", BAD_FIELD),
    "custom_groupings": ("customGrouping", BAD_FIELD),
    "app_key": ("appKey", BAD_FIELD),
    "client_reference": ("reference", BAD_FIELD),
    "idempotency_key": ("Idempotency-Key", BAD_FIELD),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: its HTTP status, and CM's envelope. `details` holds nothing that the caller wrote."""

    status: int
    code: int
    details: str
    rows: list[Row] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        return to_json({"details": self.details, "errorCode": self.code, "messages": self.rows})

    def codes(self) -> Counter[int]:
        """How many rows have each code; 0 is accepted."""
        return Counter(row["messageErrorCode"] for row in self.rows)


def told(rows: list[Row], *, conflict: bool) -> Answer:
    """The answer to a request whose messages were judged one by one."""
    accepted = sum(row["messageErrorCode"] == 0 for row in rows)
    details = f"Created {accepted} message(s)"
    if conflict:
        details += "; the Idempotency-Key was used before, for another body"
    return Answer(
        status=409 if conflict else 200 if accepted else 400,
        code=0 if accepted == len(rows) else NOT_ALL_SENT,
        details=details,
        rows=rows,
    )


def refused(refusal: TurnedDown) -> Answer:
    """The answer to a request refused as a whole."""
    code = refusal.code if isinstance(refusal, Refused) else _CODE_OF.get(refusal.status, MALFORMED)
    return Answer(status=refusal.status, code=code, details=refusal.details, headers=refusal.headers())


def envelope(status: int, details: str) -> bytes:
    """CM's envelope around a refusal of the connection."""
    return refused(TurnedDown(status, details)).body()


def accepted_row(number: str, reference: str | None, parts: int) -> Row:
    """Queued. `parts` is our count; CM makes its own, later."""
    return _row(number, reference, 0, None, parts)


def without_number_row(reference: str | None) -> Row:
    return _row(None, reference, BAD_TO, "No phone numbers found")


def rejected_row(number: str, reference: str | None, name: str, problem: str, rule: str) -> Row:
    """Refused by the library for its field `name`."""
    found = _FIELD.match(name)
    top = found[0] if found else ""
    shown, code = _CODES.get(top, (top or "message", BAD_FIELD))
    if code == BAD_NUMBER:
        details = f"Gsm '{number[:LONGEST_QUOTE]}' is not a number."
    elif top == "text" and problem == "is missing or empty":
        details = "A body without content was found"
    else:
        details = f"{shown}: {problem} (rule: {rule})"
    return _row(number, reference, code, details)


def _row(number: str | None, reference: str | None, code: int, details: str | None, parts: int = 0) -> Row:
    return {
        "to": number,
        "status": "Rejected" if code else "Accepted",
        "reference": reference and reference[:LONGEST_QUOTE],
        "parts": parts,
        "messageDetails": details,
        "messageErrorCode": code,
    }
