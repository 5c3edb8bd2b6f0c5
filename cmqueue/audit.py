"""The books: that every message enqueued is waiting or finished, shown from three independent counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cmqueue.state import STATE_OF_LETTER, State
from cmqueue.survey import Survey


@dataclass(slots=True)
class Audit:
    """The sum over partitions. `problems` says where the books do not agree."""

    enqueued: int = 0
    waiting: Counter[State] = field(default_factory=Counter)
    finished: Counter[State] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        return not self.problems and self.enqueued == self.waiting.total() + self.finished.total()

    def as_json(self) -> dict[str, Any]:
        return {
            "enqueued": self.enqueued,
            "waiting": {state.value: count for state, count in sorted(self.waiting.items()) if count},
            "finished": {state.value: count for state, count in sorted(self.finished.items()) if count},
            "balanced": self.balanced,
            "problems": self.problems,
        }


def balance(surveys: Iterable[tuple[str, Survey]]) -> Audit:
    """Add up the partitions, by code; in each, compare totals, buckets and the structures that hold jobs."""
    audit = Audit()
    for code, (counts, tallies, places) in surveys:
        audit.enqueued += counts.get("enqueued", 0)
        states = {letter: counts.get(letter, 0) for letter in STATE_OF_LETTER}
        for letter, state in STATE_OF_LETTER.items():
            side = audit.finished if state.finished else audit.waiting
            side[state] += states[letter]
            booked = tallies.get(letter, 0) + counts.get(f"dropped:{letter}", 0)
            if booked != states[letter]:
                audit.problems.append(
                    f"partition {code}: {state}: {states[letter]} by the totals, {booked} by the buckets"
                )
        enqueued, accounted = counts.get("enqueued", 0), sum(states.values())
        if accounted != enqueued:
            audit.problems.append(f"partition {code}: {enqueued} enqueued, {accounted} accounted for")
        inside = places["claimed"] + places["posting"]
        queued = places["lanes"] + places["ready"] + inside - places["withdrawn"]
        for found, letter, where in (
            (queued, "q", "in lanes and batches"),
            (places["due"], "s", "in the schedule"),
            (places["doubt"], "m", "in doubt"),
            (places["jobs"] - places["due"] - places["doubt"] - places["kept"], "h", "held"),
        ):
            if found != states[letter]:
                state = STATE_OF_LETTER[letter]
                audit.problems.append(f"partition {code}: {states[letter]} {state} by rows, {found} {where}")
        audit.waiting[State.QUEUED] -= inside
        audit.waiting[State.CLAIMED] += places["claimed"]
        audit.waiting[State.POSTING] += places["posting"]
    return audit
