"""The reckoning: our books against the endpoint's own count, and every duplicate against the logs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chaos.fleet import Fleet
from cmqueue import Guarantee, Outbox, State
from cmqueue.identity import tail_of
from cmqueue.row import Row
from cmqueue.state import Reason
from sandbox.running import SandboxClient

#: Lines that no fault from outside may bring about: an error of our own, or Redis that forgot.
ALARMS = ("drain.failed", "sweep.failed", "outbox.rows_missing", "outbox.rolled_back")
SENT = (State.ACCEPTED, State.DELIVERED, State.FAILED, State.READ)
CERTAINLY_UNSENT = (State.EXPIRED, State.CANCELLED, State.SUPPRESSED)
_PROOFS = (Reason.RECEIPT, Reason.TRANSACTION, Reason.LATE_ANSWER)
_MOST_NAMED = 3
_MILLISECOND = 0.001  #: the sandbox cuts its times there


@dataclass(slots=True)
class Reckoning:
    """The sums of one scenario. `problems` says, for people, which promise was broken."""

    messages: int = 0
    lost: int = 0
    duplicates_at_most_once: int = 0
    duplicates_at_least_once: int = 0
    unrecorded: int = 0
    unknown: int = 0
    states: dict[str, int] = field(default_factory=dict)
    #: by guarantee: what became of the messages that were in doubt, see `_doubts`
    doubts: dict[str, dict[str, int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def blame(self, what: str, ids: list[str]) -> int:
        """Note these messages as a problem, if there are any; how many."""
        if ids:
            self.problems.append(f"{len(ids)} {what}: {', '.join(sorted(ids)[:_MOST_NAMED])}")
        return len(ids)


class Witness:
    """Remembers when a message that came more than once came; the sandbox keeps only the newest in full."""

    def __init__(self, sandbox: SandboxClient) -> None:
        self._sandbox = sandbox
        #: by reference and number: seconds since 1970, by the sandbox's own number of the arrival
        self.seen: dict[tuple[str, str], dict[int, float]] = {}

    def look(self) -> None:
        """Ask for the times of every duplicate that is new or came again."""
        for found in self._sandbox.duplicates():
            pair = (found["reference"], found["number"])
            known = self.seen.setdefault(pair, {})
            if len(known) < found["times"]:
                for entry in self._sandbox.messages(reference=pair[0], number=pair[1]):
                    known[entry["id"]] = datetime.fromisoformat(entry["received_at"]).timestamp()


def reckon(
    outbox: Outbox, witness: Witness, fleet: Fleet, sandbox: SandboxClient, enqueued: set[str]
) -> Reckoning:
    """Compare every row with every (reference, number) that the sandbox took, and with what was enqueued."""
    key = outbox.registry.key
    rows = {
        code + name: Row.unpack(packed)
        for code, (_, partition) in outbox.registry.known().items()
        for name, packed in partition.rows()
    }
    taken = Counter[str]()
    for (reference, number), times in sandbox.pairs().items():
        taken[reference[:6] + tail_of(key, reference, number)] += times
    states = Counter(row.state for row in rows.values())
    found = Reckoning(
        messages=len(rows),
        unknown=states[State.UNKNOWN],
        states={state.value: count for state, count in sorted(states.items())},
        doubts={
            guarantee.value: _doubts(
                [(row, taken[id]) for id, row in rows.items() if row.guarantee is guarantee]
            )
            for guarantee in Guarantee
        },
    )
    audit = outbox.audit()
    if not audit.balanced:
        found.problems += audit.problems or ["the audit does not balance"]

    found.lost += found.blame("have an id but no row", [id for id in enqueued if id not in rows])
    found.lost += found.blame("were sent and have no row", [id for id in taken if id not in rows])
    found.lost += found.blame(
        "are accepted by our books and never came", _those(rows, taken, SENT, came=False)
    )
    found.lost += found.blame("wait for ever", [id for id, row in rows.items() if not row.state.finished])
    found.blame(
        "were sent, though our books say they were not", _those(rows, taken, CERTAINLY_UNSENT, came=True)
    )
    found.blame(
        "were sent at most once, and came, though our books say CM refused them",
        [
            id
            for id in _those(rows, taken, (State.REJECTED, State.DEAD), came=True)
            if rows[id].guarantee is Guarantee.AT_MOST_ONCE
        ],
    )
    _duplicates(found, rows, taken, _recorded(fleet), _arrivals(witness, key))
    for worker in fleet.all:
        for line in worker.lines(*ALARMS):
            found.problems.append(f"{worker.log.name}: {line['event']} {line.get('frames', '')}"[:400])
    return found


def _doubts(rows: Sequence[tuple[Row, int]]) -> dict[str, int]:
    """Of rows, each with how often it came: those that were in doubt, and how it ended.

    `settled` are those that CM has by our books too; by what, where they were not sent again. `needless`: of
    those that were, CM had the first already.
    """
    found = Counter[str](dict.fromkeys(("doubted", "settled", "resent", "needless", "unknown"), 0))
    found.update(dict.fromkeys((reason.text for reason in _PROOFS), 0))
    for row, times in rows:
        if not any(entry.state is State.AMBIGUOUS for entry in row.history):
            continue
        resent = any(entry.reason is Reason.RESENT for entry in row.history)
        proof = next((entry.reason for entry in row.history if entry.reason in _PROOFS), None)
        found["doubted"] += 1
        found["settled"] += row.state in SENT
        found["unknown"] += row.state is State.UNKNOWN
        found["resent"] += resent
        found["needless"] += resent and times > 1
        if proof is not None and not resent:
            found[proof.text] += 1
    return dict(found)


def _those(rows: dict[str, Row], taken: Counter[str], states: tuple[State, ...], *, came: bool) -> list[str]:
    return [id for id, row in rows.items() if row.state in states and (taken[id] > 0) is came]


def _duplicates(
    found: Reckoning,
    rows: dict[str, Row],
    taken: Counter[str],
    recorded: dict[str, list[float]],
    arrivals: dict[str, list[float]],
) -> None:
    """Count them by guarantee; the n-th repeat needs n lines `message.ambiguous`, all before it came."""
    unrecorded, forbidden = [], []
    for id, times in taken.items():
        if times == 1 or id not in rows:
            continue
        if rows[id].guarantee is Guarantee.AT_MOST_ONCE:
            found.duplicates_at_most_once += times - 1
            forbidden.append(id)
            continue
        found.duplicates_at_least_once += times - 1
        came, said = arrivals.get(id, []), recorded[id]
        if len(came) != times or any(
            sum(at <= arrival + _MILLISECOND for at in said) < nth for nth, arrival in enumerate(came) if nth
        ):
            unrecorded.append(id)
    found.unrecorded = found.blame("came again without being recorded ambiguous first", unrecorded)
    found.blame("at at_most_once came more than once", forbidden)


def _recorded(fleet: Fleet) -> dict[str, list[float]]:
    """When any worker's log called a message ambiguous, by id."""
    said: dict[str, list[float]] = defaultdict(list)
    for worker in fleet.all:
        for line in worker.lines('"message.ambiguous"'):
            said[line["id"]].append(datetime.fromisoformat(line["timestamp"]).timestamp())
    return said


def _arrivals(witness: Witness, key: bytes) -> dict[str, list[float]]:
    witness.look()
    return {
        reference[:6] + tail_of(key, reference, number): sorted(times.values())
        for (reference, number), times in witness.seen.items()
    }
