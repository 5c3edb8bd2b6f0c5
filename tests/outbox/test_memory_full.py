"""What happens when Redis is at its `maxmemory` (with `noeviction`, as the outbox asks for)."""

import shutil
from collections.abc import Iterator

import pytest
from inside import DOUBTED, RETRIED, Inside

from cmqueue import Message, Outbox, OutboxFull
from cmqueue.lane import Lane
from cmqueue.settings import LibrarySettings
from cmqueue.state import State
from cmqueue.suppression import Suppressions, Why, screens
from demo.valkey import RunningServer, running
from worker.screen import Screen

HELLO = Message(sender="Acme", to="+31600000001", text="hi")


@pytest.fixture(scope="module", params=["valkey", "redis-server"])
def private_server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """A server of this module's own, whose limits may be turned; each real one in turn."""
    binary = None if request.param == "valkey" else shutil.which(request.param)
    if request.param != "valkey" and binary is None:
        pytest.skip("redis-server is not installed")
    with running(binary=binary) as server:
        yield server


@pytest.fixture
def private(private_server: RunningServer) -> Iterator[Inside]:
    """An empty outbox on it, with room."""
    settings = LibrarySettings.from_env({"CMQUEUE_REDIS_URL": private_server.url})
    with Outbox(settings) as outbox:
        outbox.scripts.client.config_set("maxmemory", 0)
        outbox.scripts.client.flushall()
        outbox.waker.wake = lambda *_: True  # type: ignore[method-assign]
        yield Inside(outbox, outbox.registry.partition("default"))


def _fill(inside: Inside) -> None:
    inside.client.config_set("maxmemory", 1)


def _pass_time(inside: Inside) -> None:
    """Rewriting deadlines takes memory, which the passing of time does not."""
    inside.client.config_set("maxmemory", 0)
    inside.arrive()
    inside.end_doubt()
    inside.age_buckets()
    _fill(inside)


@pytest.mark.parametrize("options", [{}, {"idempotency_key": "k"}])
def test_a_full_redis_takes_nothing(private: Inside, options: dict[str, str]) -> None:
    """At maxmemory an enqueue raises OutboxFull, certainly not enqueued, and nothing is half-written."""
    private.outbox.enqueue(HELLO)
    before = private.dump()
    _fill(private)

    with pytest.raises(OutboxFull) as raised:
        private.outbox.enqueue(HELLO, **options)

    assert not raised.value.maybe_enqueued
    assert before == private.dump()


def test_a_full_broadcast_leaves_nothing_half_written(private: Inside) -> None:
    """The chunk that meets the limit is left out whole, with its shared content."""
    private.outbox.enqueue(HELLO)
    before = private.dump()
    _fill(private)

    with pytest.raises(OutboxFull):
        private.outbox.broadcast({"sender": "Acme", "text": "Sale"}, ["+31600000001", "+31600000002"])

    assert before == private.dump()


def test_a_full_outbox_can_be_emptied(private: Inside) -> None:
    """Claim, mark, settle and sweep go on at maxmemory: only so does the memory come back."""
    for n in range(3):
        private.outbox.enqueue(HELLO, lane=list(Lane)[n])
    private.outbox.enqueue(HELLO, lane="urgent", send_at="2100-01-01T00:00:00Z")
    _fill(private)

    private.deliver(Lane.URGENT)
    private.deliver(Lane.NORMAL, fate=RETRIED)
    private.deliver(Lane.BULK, fate=DOUBTED)
    _pass_time(private)
    private.sweep()
    private.deliver(Lane.URGENT)
    private.deliver(Lane.NORMAL)

    audit = private.outbox.audit()
    assert audit.balanced, audit.problems
    assert {State.ACCEPTED: 3, State.UNKNOWN: 1} == +audit.finished


def test_at_the_limit_a_message_can_still_be_cancelled(private: Inside) -> None:
    """Taking a message back frees memory, so a full Redis allows it."""
    receipt = private.outbox.enqueue(HELLO)
    _fill(private)

    assert "cancelled" == private.outbox.cancel(receipt.id)


def test_a_full_redis_gives_no_wake_up_token(private: Inside) -> None:
    """Whoever asks for one holds a batch, which an error would leave to its lease: the answer is no."""
    _fill(private)

    assert not private.partition.take_wake(Lane.URGENT)


def test_what_waits_behind_a_hold_expires_and_is_forgotten_though_redis_is_full(private: Inside) -> None:
    """The slow scan and the dropping of old buckets go on at maxmemory too."""
    private.outbox.enqueue(HELLO)
    private.expire()
    _fill(private)

    private.partition.expire(Lane.NORMAL, 0)
    _pass_time(private)
    assert 1 == private.partition.drop(60)


def test_the_key_of_the_suppression_list_is_made_though_redis_is_full(private: Inside) -> None:
    """Once, and for all processes: no worker begins without it."""
    _fill(private)

    made = private.outbox.registry.suppression_key
    with Outbox(private.outbox.settings) as another:
        assert made == another.registry.suppression_key


def test_who_opts_out_of_a_full_redis_gets_nothing(private: Inside) -> None:
    """The list is written, and the mark that asks it takes the message out."""
    private.outbox.registry.agree()
    private.outbox.enqueue(HELLO)
    private.outbox.enqueue(Message(sender="Acme", to="+31600000002", text="hi"))
    _fill(private)
    listed = Suppressions(private.outbox)

    assert listed.add("+31600000001", why=Why.OPTED_OUT)
    batch = private.batch()
    key = private.outbox.registry.suppression_key
    given = screens(private.partition.members(batch.id), {}, key)
    marked = private.partition.mark(batch.id, lease=60, earliest_expiry=2**32 - 1, screens=given)
    assert (1, ["o"]) == (marked.left, [why for _, why in marked.suppressed])
    private.check()


def test_a_process_that_starts_while_redis_is_full_screens(private: Inside) -> None:
    """It reads the key of the suppression list, and its marks go on."""
    Suppressions(private.outbox).add("+31600000001")
    private.outbox.enqueue(HELLO)
    _fill(private)

    with Outbox(private.outbox.settings) as started:
        inside = Inside(started, private.partition)
        batch = inside.batch()
        marked = Screen(started.registry, frozenset()).mark(
            inside.partition, batch, {}, lease=60, give_back=()
        )

    assert ["b"] == [why for _, why in marked.suppressed]
    private.check()
