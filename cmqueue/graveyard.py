"""The graveyard: messages that ended dead or unknown, kept whole for a second chance."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cmqueue.identity import Identity
from cmqueue.lane import Lane
from cmqueue.log import log
from cmqueue.outbox import Outbox
from cmqueue.partition import Partition
from cmqueue.row import Row, iso
from cmqueue.state import Reason, State

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Grave:
    """A message that can be redriven. `ended_at`: seconds since 1970; `code`: CM's, 0 where none applies.

    `note` is what CM said of it, where it is dead as poison; `doubt` why nobody knows whether CM took it,
    where it is unknown.
    """

    id: str
    account: str
    lane: Lane
    state: State
    reason: str
    code: int
    attempts: int
    ended_at: int
    client_reference: str | None
    campaign: str | None
    note: str | None
    doubt: Reason | None

    @classmethod
    def of(cls, id: str, account: str, row: Row) -> Grave:
        last = row.history[-1]
        return cls(
            id=id,
            account=account,
            lane=row.lane,
            state=row.state,
            reason=last.reason.text,
            code=last.code,
            attempts=row.attempts,
            ended_at=last.at,
            client_reference=row.extras.get("client_reference"),
            campaign=row.extras.get("campaign"),
            note=row.note,
            doubt=doubt_of(row) if row.state is State.UNKNOWN else None,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "account": self.account,
            "lane": self.lane,
            "state": self.state,
            "reason": self.reason,
            "code": self.code,
            "attempts": self.attempts,
            "ended_at": iso(self.ended_at),
            "client_reference": self.client_reference,
            "campaign": self.campaign,
            "note": self.note,
            "doubt": self.doubt and self.doubt.text,
        }


def doubt_of(row: Row) -> Reason | None:
    """Why it was last in doubt whether CM took the message; None where it never was."""
    reasons = [entry.reason for entry in row.history if entry.state is State.AMBIGUOUS]
    return next((reason for reason in reversed(reasons) if reason.perhaps_sent), None)


class NoGrave(StrEnum):
    """Why an id can't be redriven."""

    NOT_FOUND = "not_found"
    OTHER_STATE = "other_state"  #: it waits, or ended otherwise
    FORGOTTEN = "forgotten"  #: its number and content were dropped at the end of their retention


def graves(outbox: Outbox, state: State = State.DEAD, *, lane: Lane | None = None) -> Iterator[Grave]:
    """All that ended in `state` (DEAD or UNKNOWN) and can be redriven, the longest there first in each
    partition.

    Read page by page: what is buried or redriven meanwhile may be missed. Raises OutboxUnavailable.
    """
    for code, (account, partition) in sorted(outbox.registry.known().items()):
        begin = 0
        while page := partition.kept(begin, PAGE):
            begin += len(page)
            for key, packed in page:
                if packed is None:
                    continue
                row = Row.unpack(packed)
                if row.state is state and lane in (None, row.lane):
                    yield Grave.of(code + key, account, row)


def grave(outbox: Outbox, id: str, state: State = State.DEAD) -> Grave | NoGrave:
    """The grave of the message `id`, or why it has none in `state`. Raises OutboxUnavailable."""
    identity = Identity.parse(id)
    if identity is None:
        return NoGrave.NOT_FOUND
    standing = Partition(outbox.scripts, identity.partition).status(identity.key)
    if standing is None:
        return NoGrave.NOT_FOUND
    row = Row.unpack(standing.row)
    if row.state is not state:
        return NoGrave.OTHER_STATE
    if standing.where != "kept":
        return NoGrave.FORGOTTEN
    account = outbox.registry.known()[identity.partition][0]
    return Grave.of("".join(identity), account, row)


def redrive(
    outbox: Outbox, chosen: Iterable[Grave], *, expires_in: float | None = None
) -> Iterator[list[str]]:
    """Queue the messages again as if they were new, and wake their lanes; the ids that were, in portions.

    Each keeps its id, reference, lane and guarantee; attempts count from zero. It expires in `expires_in`
    seconds from now, else in its lane's maximum age. Whoever was redriven by somebody else meanwhile is
    left out. Lazy: nothing is redriven that is not iterated. Raises OutboxUnavailable; repeating is safe.
    """
    portions: defaultdict[tuple[str, Lane, State], list[str]] = defaultdict(list)
    for one in chosen:
        portion = portions[one.id[:2], one.lane, one.state]
        portion.append(one.id[2:])
        if len(portion) == PAGE:
            yield _redriven(outbox, one.id[:2], one.lane, one.state, portion, expires_in)
            portion.clear()
    for (code, lane, state), portion in portions.items():
        if portion:
            yield _redriven(outbox, code, lane, state, portion, expires_in)


def _redriven(
    outbox: Outbox, code: str, lane: Lane, state: State, keys: list[str], expires_in: float | None
) -> list[str]:
    partition = Partition(outbox.scripts, code)
    life = math.ceil(expires_in or lane.rules.maximum_age)
    done = partition.redrive(state.letter, keys, life)
    if done:
        log.info("messages.redriven", partition=code, lane=lane.value, state=state.value, count=len(done))
        if partition.take_wake(lane):
            outbox.waker.wake(lane, code)
    return [code + key for key in done]
