"""CM's rules for the request and for each message in it ("API responses and errors (JSON)").

What CM leaves undocumented is read strictly: a request above a limit is refused whole (203), a text
longer than its maximum of parts is rejected (304) instead of cut, and that maximum is 1 when absent.
Nothing is deduplicated: CM documents no way to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from sandbox.channel import ALL, PHONE, PLAIN, folded
from sandbox.numbers import is_phone, magic_request_code, magic_row_code, magic_status
from sandbox.parts import parts_of
from sandbox.request import MAX_MESSAGES, Envelope, Msg, Unreadable, check_array, open_envelope
from sandbox.rich import Reading, read_rich_content

NO_ACCOUNT = 101
NOT_A_GUID = 103
NOT_ALL_SENT = 201
BAD_FROM, BAD_TO, BAD_NUMBER, BAD_BODY, BAD_FIELD = 301, 302, 303, 304, 305

CODES = {
    0: "",
    101: "No account found for the given authentication",
    102: "Insufficient balance",
    103: "Invalid product token: a GUID with hyphens is expected",
    202: "The request is malformed",
    203: "The msg array is incorrect",
    301: "No usable FROM was found",
    302: "No phone numbers found",
    303: "Gsm '{number}' is not a number.",
    304: "A body without content was found",
    305: "A field is invalid",
    401: "The message was filtered as spam",
    402: "Blacklisted",
    403: "Rejected",
    500: "Internal error",
    999: "Unknown error",
}

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# Letters, digits and the space of CM's own example; the dot is in the sender that its PHP SDK falls back to.
_SMS_SENDER = re.compile(r"[A-Za-z0-9 .]{1,11}|[0-9]{1,16}")
_REFERENCE = re.compile(r"[A-Za-z0-9_]{1,32}")
_VALIDITY = re.compile(
    r"(\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}) ?(?:GMT|UTC|[+-](?:0?\d|1[0-4])(?::?[0-5]\d)?)?"
    r"|[1-9]\d{0,4}[hm]",
    re.IGNORECASE | re.ASCII,
)
_GROUPINGS = ("customGrouping", "customGrouping2", "customGrouping3")
_GROUPING_LENGTH = 100
_MOST_PARTS = 255

_NOTHING_RICH = Reading(shows=False, problem=None)

Row = dict[str, Any]


@dataclass(slots=True)
class Verdict:
    """What the gateway makes of one request.

    Either it is refused as a whole (`refusal` or `status`, no rows), or there is one row per message and
    recipient in the order of the request, with the message it came from at the same place in `messages`
    (empty in count-only mode).
    """

    rows: list[Row]
    messages: list[Msg]
    refusal: Unreadable | None = None
    status: int | None = None  #: a bare HTTP status, asked for by a magic number

    @property
    def accepted(self) -> list[Row]:
        return [row for row in self.rows if row["messageErrorCode"] == 0]

    def answer(self, shown: list[Row] | None = None) -> tuple[int, bytes]:
        """HTTP status and JSON envelope; `shown` are rows to tell instead of the true ones."""
        if self.refusal is not None:
            return 400, envelope(self.refusal.code, self.refusal.details)
        taken = len(self.accepted)
        code = 0 if taken == len(self.rows) else NOT_ALL_SENT
        return 200 if taken else 400, envelope(
            code, f"Created {taken} message(s)", self.rows if shown is None else shown
        )


def envelope(code: int, details: str, rows: list[Row] | None = None) -> bytes:
    """CM's answer as JSON."""
    return orjson.dumps({"details": details, "errorCode": code, "messages": rows or []})


class Gateway:
    """Judges requests. `tokens` are the accepted product tokens; none means any GUID.

    `count_only` accepts every recipient unread, for measurements.
    """

    def __init__(self, *, tokens: frozenset[str] = frozenset(), count_only: bool = False) -> None:
        self._tokens = frozenset(token.lower() for token in tokens)
        self._count_only = count_only

    def judge(self, token: str | None, body: bytes) -> Verdict:
        """The verdict on `body`, sent with the header token `token` (which wins over one in the body)."""
        try:
            if self._count_only and (rows := _accept_all(body)) is not None:
                self.authenticate(open_envelope(body).token if token is None else token)
                return Verdict(rows, [])
            opened = open_envelope(body)
            self.authenticate(opened.token if token is None else token)
            return _judge(opened)
        except Unreadable as refusal:
            return Verdict([], [], refusal=refusal)

    def authenticate(self, token: str | None) -> None:
        """Raises Unreadable for a product token that is missing, malformed or not among the accepted."""
        if token is None or not token.strip():
            raise Unreadable(NO_ACCOUNT, CODES[NO_ACCOUNT])
        if not _GUID.fullmatch(token.strip()):
            raise Unreadable(NOT_A_GUID, CODES[NOT_A_GUID])
        if self._tokens and token.strip().lower() not in self._tokens:
            raise Unreadable(NO_ACCOUNT, CODES[NO_ACCOUNT])


def _accept_all(body: bytes) -> list[Row] | None:
    """A row for every recipient, unjudged; None when the request is not of CM's plainest shape."""
    try:
        rows = [
            {
                "to": to["number"],
                "status": "Accepted",
                "reference": message.get("reference"),
                "parts": 1,
                "messageDetails": None,
                "messageErrorCode": 0,
            }
            for message in orjson.loads(body)["messages"]["msg"]
            for to in message["to"]
        ]
    except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError):
        return None
    numbers = {type(row["to"]) for row in rows}
    references = {type(row["reference"]) for row in rows}
    plain = numbers == {str} and references <= {str, type(None)} and len(rows) <= MAX_MESSAGES
    return rows if plain else None


def _judge(opened: Envelope) -> Verdict:
    check_array(opened)
    rows: list[Row] = []
    owners: list[Msg] = []
    for message in opened.messages():
        fault = _fault_of(message)
        parts = 0 if fault else _parts(message)
        for number in message.recipients or (None,):
            code, details = fault or _number_fault(message, number)
            rows.append(row_of(number, message.reference, code, details, parts))
            owners.append(message)
    for row in rows:
        number = row["to"] or ""
        if (refused := magic_request_code(number)) is not None:
            raise Unreadable(refused, CODES[refused])
        if (status := magic_status(number)) is not None:
            return Verdict([], [], status=status)
    return Verdict(rows, owners)


def row_of(number: str | None, reference: str | None, code: int, details: str | None, parts: int) -> Row:
    """One row of the answer, its fields in CM's order."""
    return {
        "to": number,
        "status": "Rejected" if code else "Accepted",
        "reference": reference,
        "parts": 0 if code else parts,
        "messageDetails": details,
        "messageErrorCode": code,
    }


def reject(row: Row, code: int) -> None:
    """Turn an accepted row into one rejected with `code`."""
    details = CODES.get(code, "Rejected").format(number=row["to"])
    row.update(status="Rejected", parts=0, messageDetails=details, messageErrorCode=code)


def _fault_of(message: Msg) -> tuple[int, str] | None:
    """The first thing wrong with a whole message: its code and text."""
    channels = folded(message.channels)
    rich = _NOTHING_RICH
    if (
        message.rich_content is not None
    ):  # first: a wrong type in it spoils the request, whatever else is wrong
        rich = read_rich_content(message.rich_content, channels)
    sms = not channels or "sms" in channels
    if not message.sender or (sms and not _SMS_SENDER.fullmatch(message.sender)):
        return BAD_FROM, CODES[BAD_FROM]
    if not message.recipients:
        return BAD_TO, CODES[BAD_TO]
    if (field := _bad_field(message, channels)) is not None:
        return BAD_FIELD, f"{field} is invalid"
    if (problem := _bad_body(message, channels, rich)) is not None:
        return BAD_BODY, problem
    if rich.problem is not None:
        return BAD_FIELD, rich.problem
    return None


def _bad_body(message: Msg, channels: frozenset[str], rich: Reading) -> str | None:
    """What is wrong with what is to be sent."""
    if not message.text and (channels & PLAIN or not rich.shows):
        return CODES[BAD_BODY]
    if message.body_type not in ("auto", "text", "binary"):
        return "body.type is none of auto, binary, text"
    if _parts(message) > (message.most_parts or 1):
        return "body.content is longer than its maximum number of parts"
    return None


def _bad_field(message: Msg, channels: frozenset[str]) -> str | None:
    """The name of a field whose value CM would not take."""
    most = 1 if message.most_parts is None else message.most_parts
    fewest = 1 if message.fewest_parts is None else message.fewest_parts
    checks = {
        "reference": message.reference is None or _REFERENCE.fullmatch(message.reference),
        "validity": message.validity is None or _is_validity(message.validity),
        "dcs": message.body_type == "auto" or message.dcs in (0, 8),
        "minimumNumberOfMessageParts": 1 <= fewest <= most,
        "maximumNumberOfMessageParts": 1 <= most <= _MOST_PARTS,
        "allowedChannels": channels <= ALL,
        "appKey": message.app_key is None or _GUID.fullmatch(message.app_key),
    }
    for name, grouping in zip(_GROUPINGS, message.groupings, strict=True):
        checks[name] = len(grouping) <= _GROUPING_LENGTH
    return next((field for field, fine in checks.items() if not fine), None)


def _number_fault(message: Msg, number: str | None) -> tuple[int, str | None]:
    """What is wrong with one recipient; 0 and None when it is fine."""
    if number is None:
        return BAD_TO, CODES[BAD_TO]
    channels = folded(message.channels)
    opaque = bool(channels) and not channels & PHONE
    if not (number if opaque else is_phone(number)):
        return BAD_NUMBER, CODES[BAD_NUMBER].format(number=number)
    if (code := magic_row_code(number)) is not None:
        return code, CODES[code].format(number=number)
    return 0, None


def _parts(message: Msg) -> int:
    channels = folded(message.channels)
    if channels and "sms" not in channels:
        return 1
    return parts_of(message.text, message.body_type, message.dcs)


@lru_cache(maxsize=1024)
def _is_validity(text: str) -> bool:
    match = _VALIDITY.fullmatch(text)
    if match is None:
        return False
    try:
        if match[1]:
            datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 (only whether the date exists)
    except ValueError:
        return False
    return True
