"""A status report: what CM tells of a message that it took ("Incoming status report"), and what it proves.

Reports come at least once, in any order, and perhaps before the answer to the request itself. So they are
merged: each is a fact, facts have a rank, and a message is in the state of the highest that it was told,
whatever came first (accepted, failed, delivered, read).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from cmqueue.identity import REFERENCE
from cmqueue.lane import Lane
from cmqueue.outbox import Outbox
from cmqueue.partition import MOST_FACTS, Partition
from cmqueue.settlement import Settlement
from cmqueue.standard_error import NextStep, standard_error
from cmqueue.state import Reason, State

#: CM's status codes. 1 is "rejected" by CM or the operator: for a message that was accepted, a failure. 200
#: is "delivered" in the old format.
FACTS = {
    0: State.ACCEPTED,
    1: State.FAILED,
    2: State.DELIVERED,
    3: State.FAILED,
    4: State.READ,
    200: State.DELIVERED,
}
_RANK = {State.ACCEPTED: 1, State.FAILED: 2, State.DELIVERED: 3, State.READ: 4}


class Report(NamedTuple):
    """One status report. `number` as CM writes it; `error` is CM's standard error, 0 for none."""

    reference: str
    number: str
    code: int
    error: int = 0

    def __repr__(self) -> str:
        return f"Report(reference={self.reference!r}, code={self.code}, error={self.error})"


class Merged(NamedTuple):
    """What a report did: its message was `before`, it tells the `fact`, and the message is `after`.

    Before may be CLAIMED or POSTING, too.
    """

    id: str
    before: State
    fact: State
    after: State
    resendable: bool = False  #: it has failed for a passing cause, and is kept whole (cmqueue/resend.py)

    @property
    def conflict(self) -> bool:
        """Whether a message is said to have failed that is said to have arrived; that it arrived counts."""
        said = {self.before, self.fact}
        return State.FAILED in said and not said.isdisjoint({State.DELIVERED, State.READ})

    @property
    def never_sent(self) -> bool:
        """Whether a message that waited to be sent was sent by somebody: Redis has forgotten that."""
        return self.before in (State.QUEUED, State.CLAIMED) and self.after != self.before


def fact_of(report: Report) -> State | None:
    """What `report` tells; None where CM's code is unknown, which proves nothing.

    A failure that the network still works on ("wait", cmqueue/standard_error.py) is none: it proves that CM
    took the message, and no more.
    """
    fact = FACTS.get(report.code)
    if fact is State.FAILED and report.error:
        error = standard_error(report.error)
        if error is not None and error.next_step is NextStep.WAIT:
            return State.ACCEPTED
    return fact


def merged(state: State, fact: State) -> State:
    """The state of a message in `state` once `fact` is told: the law that `scripts/report.lua` follows."""
    return fact if _RANK[fact] > _RANK.get(state, 0) else state


def spellings(number: str) -> list[str]:
    """The forms that a message's number may have been kept in, where CM writes it as `number`."""
    if number.startswith("00"):
        return [number]  # as it was sent: the usual case
    plain = number.removeprefix("+")
    if not plain.isascii() or not plain.isdecimal():
        return [number]
    return list(dict.fromkeys((number, plain, "00" + plain)))


def merge(
    outbox: Outbox,
    reports: Sequence[Report],
    *,
    reason: Reason = Reason.RECEIPT,
    resending: Collection[Lane] = (),
) -> list[Merged | None]:
    """Merge each of `reports` into its message, in their order; None where there is none (any more).

    `reason` says where they were read: TRANSACTION where CM's Transactions API was asked. `resending` are the
    lanes whose messages are sent anew where a failure may pass.

    The same report again changes nothing. A report of an unknown code proves nothing, and is None too. Raises
    OutboxUnavailable, after which all may be merged again.
    """
    found: list[Merged | None] = [None] * len(reports)
    places: dict[str, list[tuple[int, list[str], str, Settlement]]] = {}
    for at, report in enumerate(reports):
        state, reference = fact_of(report), report.reference.upper()
        if state is None or not _REFERENCE.issuperset(reference) or len(reference) != REFERENCE:
            continue
        keys = [
            reference[2:6] + tail
            for number in spellings(report.number)
            for tail in outbox.registry.tails(reference, number)
        ]
        error = report.error if state is State.FAILED and 0 <= report.error <= _MOST_ERROR else 0
        passing = state is State.FAILED and _may_pass(error)
        fact = Settlement(state, reason, error, counts=passing)
        places.setdefault(reference[:2], []).append((at, keys, reference[6:], fact))
    for code, facts in places.items():
        partition = Partition(outbox.scripts, code)
        for begin in range(0, len(facts), MOST_FACTS):
            part = facts[begin : begin + MOST_FACTS]
            told = partition.report([(keys, random, fact) for _, keys, random, fact in part], resending)
            for (at, _, _, fact), moved in zip(part, told, strict=True):
                if moved is not None:
                    key, before, after, anew = moved
                    found[at] = Merged(code + key, before, fact.state, after, anew)
    return found


def _may_pass(error: int) -> bool:
    known = standard_error(error) if error else None
    return known is not None and known.next_step is NextStep.RESEND


_MOST_ERROR = 0xFFFF  # a row keeps two bytes
_REFERENCE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
