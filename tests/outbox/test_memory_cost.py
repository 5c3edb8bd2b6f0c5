"""What a message costs in Redis: the outbox's targets, measured on 20,000 messages."""

from collections.abc import Callable

import pytest
from inside import ACCEPTED, Inside

from cmqueue.lane import Lane
from cmqueue.message import Content

MESSAGES = 20_000
NUMBERS = [f"+3160{n:07}" for n in range(MESSAGES)]
BYTES = 250  #: of content, as it goes to CM
TEXT = "x" * (BYTES + 1 - len(Content(sender="Acme", text="x").wire()))


def _distinct(inside: Inside) -> None:
    messages = ({"sender": "Acme", "to": number, "text": TEXT} for number in NUMBERS)
    for _ in inside.outbox.enqueue_many(messages, lane="bulk"):
        pass


def _broadcast(inside: Inside) -> None:
    inside.outbox.broadcast({"sender": "Acme", "text": TEXT}, NUMBERS)


def _used(inside: Inside) -> int:
    inside.client.memory_purge()
    return int(inside.client.info("memory")["used_memory"])


@pytest.mark.parametrize(("enqueue", "most"), [(_distinct, 500), (_broadcast, 200)])
def test_a_message_takes_few_bytes(inside: Inside, enqueue: Callable[[Inside], None], most: int) -> None:
    """Queued at most 500 bytes for a content of 250, at most 200 in a broadcast; finished at most 150."""
    inside.client.execute_command("FLUSHALL", "SYNC")  # or it would be done while we measure
    before = _used(inside)
    enqueue(inside)
    queued = (_used(inside) - before) / MESSAGES
    for _ in range(MESSAGES // 1000):
        inside.deliver(Lane.BULK, fate=ACCEPTED)
    finished = (_used(inside) - before) / MESSAGES
    print(f"{queued:.0f} bytes a queued message, {finished:.0f} a finished one")

    assert BYTES == len(Content(sender="Acme", text=TEXT).wire())
    assert queued <= most
    assert finished <= 150
