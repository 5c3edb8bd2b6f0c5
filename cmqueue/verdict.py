"""What the enqueue script says of each single message, and what that means to its caller."""

from __future__ import annotations

from typing import Any, NamedTuple

from cmqueue.chunk import Slot
from cmqueue.errors import IdempotencyConflict
from cmqueue.receipt import Receipt, Refusal


class Verdict(NamedTuple):
    """What the script said of one message. `owner` and `random` name the one that came first, if one did."""

    letter: str
    owner: str = ""
    random: str = ""


NEW = Verdict("n")


def verdicts(reply: list[Any]) -> list[Verdict]:
    """A verdict for each single message: n new, d duplicate, c conflict."""
    owners = iter(reply[2:])
    found = []
    for letter in reply[1].decode():
        if letter == "n":
            found.append(NEW)
        else:
            owner = next(owners, b"").decode()
            found.append(Verdict(letter, owner[:24], owner[24:]))
    return found


def receipt_of(slot: Slot, verdict: Verdict) -> Receipt | IdempotencyConflict:
    """What `verdict` makes of the message in `slot`."""
    if verdict is NEW:
        return Receipt(slot.reference[:6] + slot.tail, slot.reference)
    first = slot.reference[:2] + verdict.owner
    if verdict.letter == "c":
        return IdempotencyConflict(first)
    return Receipt(first, first[:6] + verdict.random, duplicate=True)


def result_of(position: int, slot: Slot, verdict: Verdict) -> Receipt | Refusal:
    """One of many: a conflict refuses this item and stops no other."""
    receipt = receipt_of(slot, verdict)
    if isinstance(receipt, IdempotencyConflict):
        problem = f"was used for another message, {receipt.id}"
        return Refusal(position, "idempotency_key", problem, "one key, one payload")
    return receipt
