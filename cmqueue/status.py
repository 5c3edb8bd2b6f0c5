"""Where a message stands, as a value and as a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cmqueue.lane import Guarantee, Lane
from cmqueue.row import Entry, Row, iso
from cmqueue.standard_error import standard_error
from cmqueue.standing import Standing
from cmqueue.state import Reason, State

_SUPPRESSED = {
    Reason.OPTED_OUT: "its number has opted out",
    Reason.UNREACHABLE: "CM reported its number as one that can't be reached",
    Reason.BLOCKED: "its number is on the suppression list",
    Reason.NOT_ALLOWED: "its number is not on the allow-list of staging, CMQUEUE_ONLY_TO",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where one message stands. Times are seconds since 1970; `code` is CM's, 0 where none applies."""

    id: str
    state: State
    reason: str
    code: int
    lane: Lane
    guarantee: Guarantee
    attempts: int
    resends: int
    parts: int
    expires_at: int
    history: tuple[Entry, ...]
    client_reference: str | None
    campaign: str | None
    metadata: dict[str, Any] | None
    note: str | None  #: what CM said of a message that is dead as poison
    resend_of: str | None  #: the failed message in whose place it was sent
    resent_as: str | None  #: the message that was sent in its place, once it had failed
    standing: Standing

    @classmethod
    def of(cls, id: str, standing: Standing) -> Status:
        row = Row.unpack(standing.row)
        last = row.history[-1]
        state = row.state
        if state is State.QUEUED and standing.where in ("claimed", "posting"):
            state = State(standing.where)
        return cls(
            id=id,
            state=state,
            reason=last.reason.text,
            code=last.code,
            lane=row.lane,
            guarantee=row.guarantee,
            attempts=row.attempts,
            resends=row.resends,
            parts=row.parts,
            expires_at=row.expires_at,
            history=row.history,
            client_reference=row.extras.get("client_reference"),
            campaign=row.extras.get("campaign"),
            metadata=row.extras.get("metadata"),
            note=row.note,
            resend_of=(row.extras.get("resend_of") or [None])[0],
            resent_as=row.extras.get("resent_as"),
            standing=standing,
        )

    def as_json(self) -> dict[str, Any]:
        """The status as `cmqueue status --json` prints it."""
        return {
            "id": self.id,
            "state": self.state,
            "reason": self.reason,
            "code": self.code,
            "lane": self.lane,
            "guarantee": self.guarantee,
            "attempts": self.attempts,
            "resends": self.resends,
            "parts": self.parts,
            "expires_at": iso(self.expires_at),
            "client_reference": self.client_reference,
            "campaign": self.campaign,
            "metadata": self.metadata,
            "note": self.note,
            "resend_of": self.resend_of,
            "resent_as": self.resent_as,
            "history": [
                {"state": entry.state, "reason": entry.reason.text, "code": entry.code, "at": iso(entry.at)}
                for entry in self.history
            ],
        }

    def explain(self) -> str:  # noqa: C901, PLR0912 - a table of states, one line each
        """One or two sentences: where the message is, why, and what moves it next."""
        place = self.standing
        when = iso(place.at_ms // 1000) if place.at_ms else ""
        match self.state:
            case State.SCHEDULED if self.attempts or len(self.history) > 1:
                said = f"It will be tried again at {when}, after {self._why()}."
            case State.SCHEDULED:
                said = f"It is scheduled for {when}."
            case State.QUEUED:
                said = f"It waits in the lane {self.lane}{self._hold()}."
            case State.HELD:
                said = f"It was taken out and is held: {self._why()}."
            case State.CLAIMED:
                said = "A worker holds it and has not begun to post it."
            case State.POSTING:
                said = "A worker is posting it to CM."
            case State.AMBIGUOUS:
                end = "is resent" if self.guarantee is Guarantee.AT_LEAST_ONCE else "ends unknown"
                said = f"Nobody knows whether CM took it ({self._why()})."
                said += f" Without a status report it {end} at {when}."
            case State.ACCEPTED:
                said = self._accepted()
            case State.DELIVERED | State.READ:
                said = f"CM reports that it was {self.state}."
            case State.FAILED:
                said = f"CM reports that it failed: {self._failure()}."
                if self.resent_as:
                    said += f" Message {self.resent_as} was sent in its place."
            case State.DEAD | State.UNKNOWN:
                said = f"It ended {self.state}: {self._why()}. " + (
                    f"It can be redriven until {when}."
                    if place.where == "kept"
                    else "Its number and content are not kept any more, so it can't be redriven."
                )
            case State.SUPPRESSED:
                said = f"It was not sent: {_SUPPRESSED.get(self.history[-1].reason, self._why())}."
            case _:
                why = self._why()
                said = f"It ended {self.state}." if why == self.state else f"It ended {self.state}: {why}."
        if not self.state.finished:
            said += f" It expires at {iso(self.expires_at)}."
        return said

    def _accepted(self) -> str:
        """That CM took it, and how that is known where no answer told it."""
        if self.history[-1].reason is Reason.TRANSACTION:
            return "CM has it: its Transactions API says so."
        if self.history[-1].reason is Reason.RECEIPT:
            return "CM reports that the operator has it."
        parts = f", in {self.parts} part{'' if self.parts == 1 else 's'}" if self.parts else ""
        return f"CM accepted it for a delivery attempt{parts}."

    def _failure(self) -> str:
        """What CM's standard error means, of a message that failed."""
        code = self.history[-1].code
        error = standard_error(code)
        if error is None:
            return f"standard error {code}, which nobody has documented" if code else "it does not say why"
        return f"{error.meaning} (standard error {code})"

    def _why(self) -> str:
        last = self.history[-1]
        return last.reason.text.replace("_", " ") + (f", CM's code {last.code}" if last.code else "")

    @property
    def rolled_back(self) -> bool:
        """Whether it is held because Redis went back in time: it may have been sent before."""
        return self.guarantee is Guarantee.AT_MOST_ONCE and self.standing.rolled_back_ms > 0

    def _hold(self) -> str:
        place = self.standing
        if self.rolled_back:
            when = iso(place.rolled_back_ms // 1000)
            return f", and is held: Redis went back in time, seen at {when}, so it may have been sent before"
        if place.paused:
            return f", which is held ({place.paused})"
        if place.gate:
            until = datetime.fromtimestamp(place.gate_until_ms / 1000, UTC)
            return f"; the account is held ({place.gate}) and is probed next at {until:%H:%M:%S}Z"
        return ""
