"""One request: read, queued, answered. Synchronous, and safe from several threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cmqueue import Content, InvalidMessage, Outbox, OutboxUnavailable, Receipt, Refusal, SettingsError
from producers.intake.answer import (
    INTERNAL_ERROR,
    Answer,
    Row,
    accepted_row,
    rejected_row,
    told,
    without_number_row,
)
from producers.intake.request import HeaderOptions, Msg, Refused, read_options, read_request

RETRY_AFTER = 5  #: seconds

_NOTHING = "The queue is not available and nothing was queued"
_WITH_KEY = (
    "The queue is not available and messages may have been queued: "
    "repeating the request with the same Idempotency-Key is safe"
)
_WITHOUT_KEY = (
    "The queue is not available and messages may have been queued: without an Idempotency-Key, "
    "repeating the request may send them twice"
)
_OF_CONTENT = Content.model_fields.keys()


class Taken(NamedTuple):
    """The answer to a request, and what was queued by it."""

    answer: Answer
    receipts: list[Receipt]
    lane: str


class _Asked(NamedTuple):
    """A message to queue, and the row that tells of it."""

    place: int
    number: str
    reference: str | None
    fields: dict[str, Any]


def take(outbox: Outbox, account: str, headers: Mapping[str, str], body: bytes) -> Taken:
    """Queue the messages of a request to `account`; raises Refused where that cannot be done as a whole."""
    options = read_options(headers)
    rows, asked = _sorted(read_request(body), options)
    receipts: list[Receipt] = []
    conflict = False
    for one, result in zip(asked, _queued(outbox, account, options, asked), strict=True):
        if isinstance(result, Receipt):
            receipts.append(result)
            rows[one.place] = accepted_row(one.number, one.reference)
        else:
            conflict = conflict or result.field == "idempotency_key"
            rows[one.place] = rejected_row(
                one.number, one.reference, result.field, result.problem, result.rule
            )
    return Taken(told(rows, conflict=conflict), receipts, options.lane)


def _sorted(messages: list[Msg], options: HeaderOptions) -> tuple[list[Row], list[_Asked]]:
    """A row for every message asked for, and those messages whose row the outbox has to decide."""
    rows: list[Row] = []
    asked: list[_Asked] = []
    for msg in messages:
        fault = _fault_of(msg)
        for number in msg.recipients or [None]:
            place = len(rows)
            if number is None:
                rows.append(without_number_row(msg.reference))
            elif fault is not None:
                rows.append(rejected_row(number, msg.reference, fault.field, fault.problem, fault.rule))
            else:
                fields = msg.fields | {"to": number, "idempotency_key": options.key_at(place)}
                asked.append(_Asked(place, number, msg.reference, fields))
                rows.append({})
    return rows, asked


def _fault_of(msg: Msg) -> InvalidMessage | None:
    """What is wrong with a content for many, found once instead of for each of them."""
    if len(msg.recipients) < 2:
        return None
    try:
        Content.model_validate({name: value for name, value in msg.fields.items() if name in _OF_CONTENT})
    except InvalidMessage as error:
        return error
    return None


def _queued(
    outbox: Outbox, account: str, options: HeaderOptions, asked: list[_Asked]
) -> list[Receipt | Refusal]:
    """The outbox's word on each of `asked`. Raises Refused, saying whether any may be queued all the same."""
    found: list[Receipt | Refusal] = []
    try:
        found.extend(
            outbox.enqueue_many(
                (one.fields for one in asked),
                lane=options.lane,
                account=account,
                send_at=options.send_at,
                expires_in=options.expires_in,
            )
        )
    except OutboxUnavailable as error:
        # A request that is large, or of several shards, goes in several steps: an earlier one may be done.
        in_one_step = outbox.settings.shards == 1 and not any(isinstance(one, Receipt) for one in found)
        if in_one_step and not error.maybe_enqueued:
            details = _NOTHING
        else:
            details = _WITHOUT_KEY if options.idempotency_key is None else _WITH_KEY
    except SettingsError as error:
        details = f"The intake is set up wrongly ({error.variable}) and nothing was queued"
    else:
        return found
    raise Refused(INTERNAL_ERROR, details, status=503, retry_after=RETRY_AFTER)
