"""What the worker tells the outbox about one message of a batch: the end of an attempt, in ten bytes.

Format 1, as `scripts/settle.lua` reads it: state letter, reason, CM's code (2 bytes), parts, 1 where the
attempt counts, delay in milliseconds (4 bytes), big-endian, in the order of the batch's jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from struct import Struct
from typing import NamedTuple

from cmqueue.state import Reason, State

_RECORD = Struct(">cBHBBI")
RECORD_BYTES = _RECORD.size


class Settlement(NamedTuple):
    """One message's new state.

    `state` is one of ACCEPTED, REJECTED, DEAD, SCHEDULED (retry in `delay_ms`), AMBIGUOUS (in doubt for
    `delay_ms`), QUEUED (given back untouched), EXPIRED, SUPPRESSED. `counts` burns one attempt.
    """

    state: State
    reason: Reason
    code: int = 0
    parts: int = 0
    counts: bool = True
    delay_ms: int = 0

    def pack(self) -> bytes:
        return _RECORD.pack(
            self.state.letter.encode(),
            self.reason.value,
            min(self.code, 65535),
            min(self.parts, 255),
            self.counts,
            self.delay_ms,
        )


def records(settlements: Sequence[Settlement]) -> bytes:
    """The settlements packed, one after the other."""
    packed: dict[int, bytes] = {}  # by identity: nearly all messages of a batch share one settlement
    found = []
    for settlement in settlements:
        record = packed.get(id(settlement))
        if record is None:
            record = packed[id(settlement)] = settlement.pack()
        found.append(record)
    return b"".join(found)


class Poison(StrEnum):
    """What a settlement says for the count of a lane's successive batches that hold poison: messages with
    which CM refuses the whole request.
    """

    UNSAID = ""
    FOUND = "found"  #: the first of its batch
    CLEAN = "clean"  #: the whole batch was answered, and has none
