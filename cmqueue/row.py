"""The row: what the outbox remembers of one message, packed.

Format 1 (numbers big-endian); `scripts/common.lua` reads and writes the same offsets:

    0      format, "1"
    1      state letter: lower case waits, upper case is finished
    2      lane letter
    3      flags, as in the job
    4      attempts   5  resends   6  parts (CM's count)   7  entries of history, n
    8-11   expires at, seconds since 1970
    12-    n entries of 8 bytes: state letter, reason, CM's code (2), seconds since 1970 (4)
    then   extras: JSON of client reference, campaign, metadata, note, links, or nothing

A note is what CM said of a message that no request may hold; `scripts/settle.lua` adds it. Links join a
message that failed and the one that was sent in its place (`scripts/resend.lua`): the new one has the old
one's id and how often that was done, the old one has the new one's id.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from struct import Struct
from typing import Any, NamedTuple

from cmqueue.job import AT_LEAST_ONCE, UnknownFormat
from cmqueue.lane import LANE_OF_LETTER, Guarantee, Lane
from cmqueue.state import STATE_OF_LETTER, Reason, State

HEAD = Struct(">cccBBBBBI")
ENTRY = Struct(">cBHI")

# Extras are written under one letter each: rows are kept by the million.
_SHORT = {
    "client_reference": "r",
    "campaign": "c",
    "metadata": "m",
    "note": "n",
    "resend_of": "o",
    "resent_as": "s",
}


class Entry(NamedTuple):
    """One step of a message's history. `code` is CM's, 0 where none applies."""

    state: State
    reason: Reason
    code: int
    at: int


class Row(NamedTuple):
    """One message's row. Times are seconds since 1970."""

    state: State
    lane: Lane
    guarantee: Guarantee
    attempts: int
    resends: int
    parts: int
    expires_at: int
    history: tuple[Entry, ...]
    extras: dict[str, Any]

    @property
    def note(self) -> str | None:
        """What CM said of the message, where it is dead as poison; a redriven one has left that behind."""
        found: str | None = self.extras.get("note")
        return found if self.state is State.DEAD and self.history[-1].reason is Reason.POISON else None

    @classmethod
    def unpack(cls, packed: bytes) -> Row:
        """Read `packed`; raises UnknownFormat for another format's bytes."""
        if packed[:1] != b"1":
            raise UnknownFormat(f"row format {packed[:1]!r}")
        _, state, lane, flags, attempts, resends, parts, count, expires_at = HEAD.unpack_from(packed)
        history_end = HEAD.size + ENTRY.size * count
        history = tuple(
            Entry(STATE_OF_LETTER[letter.decode()], Reason(reason), code, at)
            for letter, reason, code, at in ENTRY.iter_unpack(packed[HEAD.size : history_end])
        )
        return cls(
            STATE_OF_LETTER[state.decode()],
            LANE_OF_LETTER[lane.decode()],
            Guarantee.AT_LEAST_ONCE if flags & AT_LEAST_ONCE else Guarantee.AT_MOST_ONCE,
            attempts,
            resends,
            parts,
            expires_at,
            history,
            unpack_extras(packed[history_end:]),
        )


def given_with(packed: bytes) -> tuple[Lane, dict[str, Any]]:
    """Lane and extras of a row, without its history; raises as `Row.unpack`."""
    if packed[:1] != b"1":
        raise UnknownFormat(f"row format {packed[:1]!r}")
    history_end = HEAD.size + ENTRY.size * packed[7]
    return LANE_OF_LETTER[packed[2:3].decode()], unpack_extras(packed[history_end:])


def pack_extras(client_reference: str | None, campaign: str | None, metadata: Any) -> bytes:
    """The extras' bytes; empty where there are none."""
    given = {"r": client_reference, "c": campaign, "m": metadata}
    kept = {letter: value for letter, value in given.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode() if kept else b""


def unpack_extras(packed: bytes) -> dict[str, Any]:
    if not packed:
        return {}
    kept = json.loads(packed)
    return {name: kept[letter] for name, letter in _SHORT.items() if letter in kept}


def iso(at: float) -> str:
    """Seconds since 1970 as `2026-11-22T14:10:21Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
