"""One request: read, queued, answered. Synchronous, and safe from several threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from cmqueue import Content, InvalidMessage, Outbox, OutboxUnavailable, Receipt, Refusal, SettingsError
from cmqueue.alike import enqueue_alike
from config.clients import Client
from listening.gather import Gathered
from producers.intake.answer import (
    INTERNAL_ERROR,
    Answer,
    Row,
    accepted_row,
    rejected_row,
    told,
    without_number_row,
)
from producers.intake.request import LANE, MALFORMED, HeaderOptions, Msg, Refused, read_options, read_request
from producers.intake.way import Queued, Way, enqueue

RETRY_AFTER = 5  #: seconds
CROWD = 20  #: recipients of a msg whose content is stored once; fewer are cheaper among the others

_NOTHING = "The queue is not available and nothing was queued"
_WITH_KEY = (
    "The queue is not available and messages may have been queued: "
    "repeating the request with the same Idempotency-Key is safe"
)
_WITHOUT_KEY = (
    "The queue is not available and messages may have been queued: without an Idempotency-Key, "
    "repeating the request may send them twice"
)
_BAD_SENDER = InvalidMessage("sender", "is not one of this client's", "the senders that it was given")
_OF_CONTENT = Content.model_fields.keys()


class Taken(NamedTuple):
    """The answer to a request, and what was queued by it."""

    answer: Answer
    receipts: list[Receipt]
    lane: str


class Asked(NamedTuple):
    """A message to queue: the place of its row, and its `content` where it is one of a crowd."""

    place: int
    number: str
    msg: Msg
    key: str | None
    content: Content | None

    def fields(self) -> dict[str, Any]:
        """What the outbox takes."""
        own = self.msg.fields | {"to": self.number}
        if self.key is not None:
            own["idempotency_key"] = self.key
        return own


class Reading(NamedTuple):
    """A request that was read: a row for each message, and those messages whose row the outbox decides."""

    way: Way
    options: HeaderOptions
    rows: list[Row]
    asked: list[Asked]

    @property
    def crowded(self) -> bool:
        """Whether a msg of it has a crowd of recipients."""
        return any(one.content is not None for one in self.asked)


def read(client: Client, headers: Mapping[str, str], document: object) -> Reading:
    """The request of `client` whose body's JSON is `document`; raises Refused."""
    options = read_options(headers, client.lane)
    if options.lane not in client.lanes:
        raise Refused(MALFORMED, f"{LANE}: the lanes of this client are {', '.join(client.lanes)}")
    # The account's own token, and the client of its name, have the keys from before there were clients.
    owner = "" if client.name == client.account else client.name
    rows: list[Row] = []
    asked: list[Asked] = []
    for msg in read_request(document):
        content = _content_of(msg, client.senders)
        for number in msg.recipients or [None]:
            place = len(rows)
            if number is None:
                rows.append(without_number_row(msg.reference))
            elif isinstance(content, InvalidMessage):
                rows.append(rejected_row(number, msg.reference, content.field, content.problem, content.rule))
            else:
                asked.append(Asked(place, number, msg, options.key_at(place, owner), content))
                rows.append({})
    way = Way(client.account, options.lane, options.send_at, options.expires_in)
    return Reading(way, options, rows, asked)


def _content_of(msg: Msg, senders: frozenset[str] | None) -> Content | InvalidMessage | None:
    """The content that a crowd shares; or what is wrong with it for several, found once instead of for each.

    Or None: then the outbox judges each message by itself.
    """
    if senders is not None and (sender := msg.fields.get("sender")) is not None and sender not in senders:
        return _BAD_SENDER
    if len(msg.recipients) < 2:
        return None
    try:
        content = Content.model_validate(
            {name: value for name, value in msg.fields.items() if name in _OF_CONTENT}
        )
    except InvalidMessage as error:
        return error
    return content if len(msg.recipients) >= CROWD else None


def take(
    outbox: Outbox,
    client: Client,
    headers: Mapping[str, str],
    document: object,
    spend: Callable[[Client, int], None],
) -> Taken:
    """Queue the messages of a request of `client`; raises Refused where that cannot be done as a whole.

    `spend` books so many messages of a client that has a limit, or raises Refused.
    """
    reading = read(client, headers, document)
    if client.per_second is not None and reading.asked:
        spend(client, len(reading.asked))
    return answered(reading, queue(outbox, reading))


def queue(outbox: Outbox, reading: Reading) -> Queued:
    """Queue the messages of one request: each crowd in a call of its own, the others together."""
    results: list[Receipt | Refusal] = []
    for _, group in groupby(reading.asked, lambda one: id(one.content)):
        several = list(group)
        content = several[0].content
        if content is None:
            queued = enqueue(outbox, reading.way, [one.fields() for one in several])
        else:
            queued = _enqueue_crowd(outbox, reading.way, content, several)
        results += queued.results
        if queued.error is not None:
            return Gathered(results, queued.error)
    return Gathered(results)


def _enqueue_crowd(outbox: Outbox, way: Way, content: Content, crowd: Sequence[Asked]) -> Queued:
    call = partial(
        enqueue_alike,
        outbox,
        content,
        [one.number for one in crowd],
        lane=way.lane,
        account=way.account,
        keys=[one.key for one in crowd],
        client_reference=crowd[0].msg.reference,
        send_at=way.send_at,
        expires_in=way.expires_in,
    )
    try:
        return Gathered(call())
    except InvalidMessage as error:  # of the content and its options: wrong for each of them
        return Gathered([Refusal(at, error.field, error.problem, error.rule) for at in range(len(crowd))])
    except Exception as error:  # noqa: BLE001 - `answered` has the words for it
        return Gathered([], error)


def answered(reading: Reading, queued: Queued) -> Taken:
    """The answer, once the outbox has said what became of the messages; raises Refused where it could not."""
    if queued.error is not None:
        raise _refusal(reading, queued) from None
    receipts: list[Receipt] = []
    conflict = False
    rows, ids = reading.rows, reading.options.ids
    counted, parts = None, 0
    for one, result in zip(reading.asked, queued.results, strict=True):
        reference = one.msg.reference
        if isinstance(result, Receipt):
            receipts.append(result)
            if one.msg is not counted:  # once for all its recipients, and never for a text that was refused
                counted, parts = one.msg, one.msg.parts
            row = rows[one.place] = accepted_row(one.number, reference, parts)
            if ids:
                row["id"] = result.id
        else:
            conflict = conflict or result.field == "idempotency_key"
            rows[one.place] = rejected_row(one.number, reference, result.field, result.problem, result.rule)
    return Taken(told(rows, conflict=conflict), receipts, reading.way.lane)


def _refusal(reading: Reading, queued: Queued) -> Exception:
    """What to say of an outbox that was not available; it names what may be queued all the same."""
    match queued.error:
        case OutboxUnavailable(maybe_enqueued=maybe):
            # A request that is large, or has crowds, goes in several steps: an earlier one may be done.
            if not maybe and not any(isinstance(one, Receipt) for one in queued.results):
                details = _NOTHING
            else:
                details = _WITHOUT_KEY if reading.options.idempotency_key is None else _WITH_KEY
        case SettingsError(variable=variable):
            details = f"The intake is set up wrongly ({variable}) and nothing was queued"
        case error:
            assert error is not None  # noqa: S101 - narrows the type, cannot fail
            return error
    return Refused(INTERNAL_ERROR, details, status=503, retry_after=RETRY_AFTER)
