"""Events: what an app is told of its messages, and of what people send back.

Each partition has a stream, `cmq:{XX}:events`, which whoever subscribes makes (`subscription`); where there
is none, nothing is written. An entry has one of two fields:

    m   moves, written by the script that makes them (scripts/common.lua): records of 43 bytes,
            0-23   bucket and tail of the id
            24-33  random end of the reference, blank where it is not known
            34     letter of the state before
            35-42  the entry of the row's history: letter, reason, CM's code (2), seconds since 1970 (4)
    j   what people send back, as JSON: `type`, `at` (seconds since 1970), `key` (bucket and tail of the
        message that it belongs to) or null, `reference` or null, `data`

The name of the field is its format: another format has another name, and readers pass over names that they do
not know. An event's id is made of its place in the stream, so it is the same whenever it is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Any

from cmqueue.lane import Lane
from cmqueue.state import STATE_OF_LETTER, Reason, State

MOVES = b"m"
NEWS = b"j"

INBOUND_RECEIVED = "inbound.received"
OPTOUT_RECEIVED = "optout.received"
INTERACTION_RECEIVED = "interaction.received"

#: Every type there is: `message.` and the state that a message came into, and the three above.
TYPES = (
    *(f"message.{state}" for state in State if state.finished or state is State.AMBIGUOUS),
    INBOUND_RECEIVED,
    OPTOUT_RECEIVED,
    INTERACTION_RECEIVED,
)

_REASONS = frozenset(reason.value for reason in Reason)
_MOVE = Struct(">24s10sccBHI")
MOVE_BYTES = _MOVE.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened; at least once, so an app that must not count it twice goes by `id`.

    `message` is the id of the message that it is about, or that was answered; `at` is in seconds since
    1970; `code` is CM's, 0 where none applies: of an answer, or the standard error of a receipt. What the
    caller gave at enqueue comes back in `lane`, `client_reference`, `campaign` and `metadata`, as long as
    the message's row is kept. `data` is what people send: numbers and texts.
    """

    id: str
    type: str
    at: float
    account: str
    message: str | None = None
    reference: str | None = None
    before: State | None = None
    state: State | None = None
    reason: str | None = None
    code: int = 0
    lane: Lane | None = None
    client_reference: str | None = None
    campaign: str | None = None
    metadata: Any = field(default=None, repr=False)
    data: Mapping[str, Any] = field(
        default_factory=dict, repr=False
    )  #: of what people send: numbers and texts


def events_of(partition: str, account: str, entry: str, fields: Mapping[bytes, bytes]) -> Iterator[Event]:
    """The events of one entry of the stream of `partition`; without what only the row knows.

    A field or a kind that this version does not know gives none.
    """
    place = f"evt_{partition}{entry}"
    packed = fields.get(MOVES, b"")
    for n, begin in enumerate(range(0, len(packed) - MOVE_BYTES + 1, MOVE_BYTES)):
        key, random, before, letter, reason, code, at = _MOVE.unpack_from(packed, begin)
        state, was = STATE_OF_LETTER.get(letter.decode()), STATE_OF_LETTER.get(before.decode())
        if state is None:  # a newer version's
            continue
        yield Event(
            id=f"{place}_{n}",
            type=f"message.{state}",
            at=at,
            account=account,
            message=partition + key.decode(),
            reference=None if random.isspace() else partition + key[:4].decode() + random.decode(),
            before=was,
            state=state,
            reason=Reason(reason).text if reason in _REASONS else f"reason {reason}",
            code=code,
        )
    if NEWS in fields:
        told = json.loads(fields[NEWS])
        yield Event(
            id=f"{place}_0",
            type=told["type"],
            at=told["at"],
            account=account,
            message=None if told.get("key") is None else partition + told["key"],
            reference=told.get("reference"),
            data=told["data"],
        )


def news(
    type: str, *, at: float, data: Mapping[str, Any], key: str | None = None, reference: str | None = None
) -> dict[bytes, bytes]:
    """The fields of an entry that tells what somebody sent. `key`: of the message it belongs to, without its
    partition.
    """
    told = {"type": type, "at": at, "key": key, "reference": reference, "data": dict(data)}
    return {NEWS: json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()}
