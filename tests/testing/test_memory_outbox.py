"""The double from a test's side: looking at what was enqueued, and playing worker, clock and outage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from cmqueue import Content, Outbox, OutboxUnavailable, State
from cmqueue.settings import LibrarySettings
from cmqueue.testing import Envelope, MemoryOutbox

HELLO = {"sender": "Acme", "to": "+31600000001", "text": "Your code is 4711"}
LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


def state_of(memory: MemoryOutbox, id: str) -> State:
    return memory.message(id).state


def test_it_is_an_outbox(memory: MemoryOutbox) -> None:
    """What takes an Outbox takes the double."""
    assert isinstance(memory, Outbox)


def test_a_message_can_be_looked_at(memory: MemoryOutbox) -> None:
    """All that its caller said, with the number as it goes to CM."""
    receipt = memory.enqueue(
        HELLO,
        lane="urgent",
        account="second",
        send_at=LATER,
        expires_in=60,
        campaign="sale",
        client_reference="order-1",
        metadata={"n": 1},
    )

    (message,) = memory.messages
    assert (receipt.id, receipt.reference) == (message.id, message.reference)
    assert ("0031600000001", "Acme", "Your code is 4711", None) == (
        message.to,
        message.sender,
        message.text,
        message.rich_content,
    )
    assert ("urgent", "at_least_once", "scheduled", "second") == (
        message.lane,
        message.guarantee,
        message.state,
        message.account,
    )
    assert (LATER, LATER + timedelta(minutes=1)) == (message.send_at, message.expires_at)
    assert ("sale", "order-1", {"n": 1}) == (message.campaign, message.client_reference, message.metadata)
    assert message == memory.message(receipt.id)


def test_each_of_a_broadcast_has_the_content(memory: MemoryOutbox) -> None:
    """In the order of the recipients; rich content too."""
    rich = {"conversation": [{"text": "Sale"}]}
    memory.broadcast(Content(sender="Acme", text="Sale", rich_content=rich), ["+31600000002", "+31600000001"])

    assert [("0031600000002", rich), ("0031600000001", rich)] == [
        (message.to, message.rich_content) for message in memory.messages
    ]


def test_no_repr_shows_what_was_said(memory: MemoryOutbox) -> None:
    """The output of a failed test is a log, too."""
    memory.enqueue(HELLO, metadata={"secret": "4711"})

    assert "4711" not in repr(memory.messages)
    assert "0031600000001" not in repr(memory.messages)


def test_deliver_takes_what_is_due(memory: MemoryOutbox) -> None:
    """The urgent first; what is scheduled waits; what CM accepted is `sent`."""
    bulk, urgent = (memory.enqueue(HELLO, lane=lane).id for lane in ("bulk", "urgent"))
    later = memory.enqueue(HELLO, send_at=LATER).id

    assert [urgent, bulk] == [message.id for message in memory.deliver()]
    assert {urgent, bulk} == {message.id for message in memory.sent}
    assert State.SCHEDULED is state_of(memory, later)
    assert [] == memory.deliver()


def test_a_test_decides_what_cm_says(memory: MemoryOutbox) -> None:
    """Accepted, rejected with a code, or nothing at all."""
    accepted, rejected, doubted = (memory.enqueue(HELLO).id for _ in range(3))
    memory.accept(accepted, parts=3)
    memory.reject(rejected, 302)
    memory.doubt(doubted)

    assert ["accepted", "rejected", "ambiguous"] == [message.state for message in memory.messages]
    statuses = [memory.status(id) for id in (accepted, rejected)]
    assert [(3, 0), (0, 302)] == [(status.parts, status.code) for status in statuses if status]


def test_doubt_ends_with_a_late_answer(memory: MemoryOutbox) -> None:
    """Or with its time: unknown, or sent again."""
    late, never = (memory.enqueue(HELLO).id for _ in range(2))
    again = memory.enqueue(HELLO, lane="urgent").id
    for id in (late, never, again):
        memory.doubt(id)
    memory.accept(late)
    memory.advance(6)
    assert ["accepted", "ambiguous", "queued"] == [message.state for message in memory.messages]

    memory.advance(120)

    assert State.UNKNOWN is state_of(memory, never)
    assert "late answer" not in str(memory.explain(never))


def test_what_has_ended_stays_so(memory: MemoryOutbox) -> None:
    """A second answer is the test's mistake, and so is an id that nobody has."""
    id = memory.enqueue(HELLO).id
    memory.accept(id)

    with pytest.raises(ValueError, match="accepted"):
        memory.reject(id)
    with pytest.raises(LookupError):
        memory.accept("A" * 26)


def test_time_passes_at_once(memory: MemoryOutbox) -> None:
    """What is scheduled comes due, what is old expires, a key is forgotten with its time."""
    memory.enqueue(HELLO, expires_in=60, idempotency_key="a")
    scheduled = memory.enqueue(HELLO, send_at=LATER).id
    memory.advance(3700)

    assert ["expired", "queued"] == [message.state for message in memory.messages]
    assert [scheduled] == [message.id for message in memory.deliver()]
    assert memory.enqueue(HELLO, idempotency_key="a").duplicate
    memory.advance(LibrarySettings().key_life)
    assert not memory.enqueue(HELLO, idempotency_key="a").duplicate


def test_redis_can_be_away(memory: MemoryOutbox) -> None:
    """Every call says so, and nothing is in."""
    with memory.away():
        for call in (lambda: memory.enqueue(HELLO), memory.audit, lambda: memory.cancel("A" * 26)):
            with pytest.raises(OutboxUnavailable) as raised:
                call()
            assert not raised.value.maybe_enqueued

    assert [] == memory.messages


def test_an_answer_can_be_lost(memory: MemoryOutbox) -> None:
    """The message is in, the caller is not told; the same key finds it."""
    with memory.away(maybe_enqueued=True), pytest.raises(OutboxUnavailable) as raised:
        memory.enqueue(HELLO, idempotency_key="a")

    assert raised.value.maybe_enqueued
    assert memory.enqueue(HELLO, idempotency_key="a").duplicate
    assert 1 == len(memory.messages)


def test_it_can_be_emptied(memory: MemoryOutbox) -> None:
    """Messages and keys are gone."""
    memory.enqueue(HELLO, idempotency_key="a")
    memory.clear()

    assert [] == memory.messages
    assert not memory.enqueue(HELLO, idempotency_key="a").duplicate


def test_two_doubles_share_nothing(memory: MemoryOutbox) -> None:
    """Each test begins anew, without a fixture too."""
    id = memory.enqueue(HELLO, idempotency_key="a").id

    with MemoryOutbox() as other:
        assert other.status(id) is None
        assert not other.enqueue(HELLO, idempotency_key="a").duplicate


def test_it_has_the_apps_settings() -> None:
    """Where national numbers are read in a web app, they are in its tests."""
    with MemoryOutbox(LibrarySettings(default_region="NL")) as memory:
        memory.enqueue(HELLO | {"to": "06 0000 0001"})

        assert "0031600000001" == memory.messages[0].to


def test_threads_may_share_it(memory: MemoryOutbox) -> None:
    """One key from many threads is one message."""
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda _: memory.enqueue(HELLO, idempotency_key="a"), range(100)))

    assert 1 == len({receipt.id for receipt in receipts})
    assert 99 == sum(receipt.duplicate for receipt in receipts)


def test_an_envelope_does_not_move(memory: MemoryOutbox) -> None:
    """It tells how things stood when it was looked at."""
    memory.enqueue(HELLO)
    before: Envelope = memory.messages[0]
    memory.deliver()

    assert ("queued", "accepted") == (before.state, memory.messages[0].state)
