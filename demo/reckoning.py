"""The reckoning: our books against the sandbox's own count, message by message."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from cmqueue import Outbox, State
from cmqueue.identity import tail_of
from cmqueue.row import Row
from cmqueue.state import Reason
from demo.messages import STOPPED
from sandbox.running import SandboxClient

#: Accepted, or what was reported of it since.
TAKEN = (State.ACCEPTED, State.DELIVERED, State.FAILED, State.READ)
PROOFS = (Reason.RECEIPT, Reason.TRANSACTION, Reason.LATE_ANSWER)


@dataclass(slots=True)
class Reckoning:
    """What both sides say, and where they disagree."""

    states: Counter[State]
    reasons: Counter[tuple[State, str, int]]
    sandbox: dict[str, Any]
    doubted: int = 0
    settled: Counter[Reason] = field(default_factory=Counter)  #: what ended the doubts that were settled
    problems: list[str] = field(default_factory=list)


def reckon(outbox: Outbox, sandbox: SandboxClient) -> Reckoning:
    """Compare every row of ours with every (reference, number) that the sandbox took."""
    states: dict[str, State] = {}
    doubted, settled = 0, Counter[Reason]()
    reasons: Counter[tuple[State, str, int]] = Counter()
    for code, (_, partition) in outbox.registry.known().items():
        for key, packed in partition.rows():
            row = Row.unpack(packed)
            states[code + key] = row.state
            reasons[row.state, row.history[-1].reason.text, row.history[-1].code] += 1
            if any(entry.state is State.AMBIGUOUS for entry in row.history):
                doubted += 1
                settled.update([entry.reason for entry in row.history if entry.reason in PROOFS][:1])
    taken = Counter[str]()
    for (reference, number), times in sandbox.pairs().items():
        taken[reference[:6] + tail_of(outbox.registry.key, reference, number)] += times
    found = Reckoning(Counter(states.values()), reasons, sandbox.counts(), doubted, settled)
    audit = outbox.audit()
    found.problems += audit.problems
    if audit.waiting.total():
        found.problems.append(f"{audit.waiting.total()} messages still wait")
    _count(found, "accepted by our books, but not exactly once in the sandbox", [
        name for name, state in states.items() if state in TAKEN and taken[name] != 1
    ])  # fmt: skip
    _count(found, "in the sandbox, but neither accepted nor unknown by our books", [
        name for name in taken if states.get(name) not in (*TAKEN, State.UNKNOWN)
    ])  # fmt: skip
    if found.states[State.SUPPRESSED] != STOPPED:
        found.problems.append(f"{found.states[State.SUPPRESSED]} suppressed, not the {STOPPED} after STOP")
    return found


def _count(found: Reckoning, what: str, ids: list[str]) -> None:
    if ids:
        found.problems.append(f"{len(ids)} {what}: {', '.join(ids[:3])}")
