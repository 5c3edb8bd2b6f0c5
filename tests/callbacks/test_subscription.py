"""Reading events: at least once, from the first reader on, in every partition there is."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from callback_endpoint import cancelled

from cmqueue import AsyncOutbox, Event, Message, Outbox, Subscription
from cmqueue.events.backlog import behind
from cmqueue.events.event import news
from cmqueue.events.subscribers import stream_of
from cmqueue.events.subscription import Delivered
from cmqueue.partition import Partition

HELLO = {"sender": "Acme", "to": "+31600000001", "text": "hi"}


def tell(outbox: Outbox, code: str, *types: str) -> None:
    for type in types:
        fields: Any = news(type, at=1.0, data={"text": "hi"})
        outbox.scripts.client.xadd(stream_of(code), fields)


def types_of(page: list[Delivered]) -> list[str]:
    return [event.type for delivered in page for event in delivered.events]


def lose(outbox: Outbox, code: str, group: str) -> None:
    """Whoever holds entries of the group was not heard of for long."""
    client, key = outbox.scripts.client, stream_of(code)
    held = client.xpending_range(key, group, "-", "+", 100)
    for entry in held:
        client.xclaim(key, group, entry["consumer"], 0, [entry["message_id"]], idle=3_600_000, justid=True)


def test_an_event_brings_back_what_the_caller_gave(each_outbox: Outbox) -> None:
    """Client reference, campaign, metadata and lane, from the message's row."""
    each_outbox.registry.partition("default")
    events = each_outbox.events("shop", wait=0)
    (id,) = cancelled(
        each_outbox, client_reference="order-7", campaign="sale", metadata={"shop": 1}, lane="urgent"
    )

    (event,) = events
    assert ("message.cancelled", id, "default", "cancelled", "urgent", "order-7", "sale", {"shop": 1}) == (
        event.type, event.message, event.account, event.reason, event.lane, event.client_reference,
        event.campaign, event.metadata,
    )  # fmt: skip
    assert event.id.startswith(f"evt_{id[:2]}")


def test_who_comes_later_hears_of_what_comes_later(each_outbox: Outbox, partition: Partition) -> None:
    """What happened before the first reader of a name is not told to it."""
    Subscription(each_outbox, "first").open()
    tell(each_outbox, partition.code, "optout.received")
    late = Subscription(each_outbox, "late").opened()
    tell(each_outbox, partition.code, "inbound.received")

    assert ["inbound.received"] == types_of(late.read())
    assert ["optout.received", "inbound.received"] == types_of(Subscription(each_outbox, "first").read())


def test_readers_of_one_name_share(each_outbox: Outbox, partition: Partition) -> None:
    """Each event goes to one of them."""
    one, other = (Subscription(each_outbox, "shop").opened() for _ in range(2))
    tell(each_outbox, partition.code, *["inbound.received"] * 6)

    pages = [reader.read(2) for reader in (one, other, one)]
    assert [2, 2, 2] == [len(page) for page in pages]
    assert 6 == len({event.id for page in pages for delivered in page for event in delivered.events})


def test_only_what_was_asked_for(each_outbox: Outbox, partition: Partition) -> None:
    """By type or pattern; the rest is acknowledged unseen."""
    reader = Subscription(each_outbox, "shop", types=["inbound.received", "message.*"]).opened()
    tell(each_outbox, partition.code, "optout.received", "inbound.received", "interaction.received")
    cancelled(each_outbox)

    assert ["inbound.received", "message.cancelled"] == types_of(reader.read())
    assert 2 == each_outbox.scripts.client.xpending(stream_of(partition.code), "shop")["pending"]


@pytest.mark.parametrize("bad", [{"types": ["message.sent"]}, {"group": ""}, {"group": "a b"}])
def test_a_name_or_type_that_cannot_be(outbox: Outbox, bad: dict[str, Any]) -> None:
    """It is said at once."""
    with pytest.raises(ValueError, match=r"no event is called|must be"):
        Subscription(outbox, **({"group": "shop"} | bad))


def test_a_partition_that_is_made_later_is_read_from_its_beginning(each_outbox: Outbox) -> None:
    """Another reader may have made its stream before this one looked."""
    each_outbox.registry.partition("default")
    shop, other = (Subscription(each_outbox, name).opened() for name in ("shop", "other"))
    code = each_outbox.registry.partition("second").code
    other.open()
    tell(each_outbox, code, "inbound.received")

    shop.open()
    ((_, events),) = shop.read()
    assert ["second"] == [event.account for event in events]


def test_a_reader_that_is_away_hears_of_a_new_partition(each_outbox: Outbox) -> None:
    """Whoever makes the partition lets all subscribers have a place in it."""
    each_outbox.registry.partition("default")
    each_outbox.events("shop")
    with Outbox(each_outbox.settings) as other:
        (id,) = cancelled(other, account="second")

    assert [("second", id)] == [
        (event.account, event.message) for event in each_outbox.events("shop", wait=0)
    ]


def test_what_a_lost_reader_held_goes_to_another(each_outbox: Outbox, partition: Partition) -> None:
    """With the same ids; not before it is lost, and not once it is acknowledged."""
    lost, heir = (Subscription(each_outbox, "shop").opened() for _ in range(2))
    tell(each_outbox, partition.code, *["inbound.received"] * 2)
    first = lost.read()
    lost.done(first[:1])
    assert [] == Subscription(each_outbox, "shop").read()
    assert set() == behind(each_outbox, ["shop"])

    lose(each_outbox, partition.code, "shop")
    assert {"shop"} == behind(each_outbox, ["shop"])
    assert first[1:] == heir.read()


def test_what_is_kept_is_not_taken_over(each_outbox: Outbox, partition: Partition) -> None:
    """A reader that says so now and then may take long."""
    slow = Subscription(each_outbox, "shop").opened()
    tell(each_outbox, partition.code, "inbound.received")
    page = slow.read()
    lose(each_outbox, partition.code, "shop")
    slow.keep(page)

    assert [] == Subscription(each_outbox, "shop").read()


def test_what_is_given_back_comes_at_once(each_outbox: Outbox, partition: Partition) -> None:
    """To whoever reads next."""
    reader = Subscription(each_outbox, "shop").opened()
    tell(each_outbox, partition.code, "inbound.received")
    page = reader.read()
    reader.give_back(page)

    assert page == Subscription(each_outbox, "shop").read()


def test_a_loop_acknowledges_as_it_goes(each_outbox: Outbox, partition: Partition) -> None:
    """What was left by an error or a break comes again; what came before it does not."""
    each_outbox.events("shop", wait=0)
    tell(each_outbox, partition.code, *["inbound.received"] * 4)

    def handle(until: int) -> list[str]:
        handled = []
        for event in each_outbox.events("shop", wait=0):
            if len(handled) == until:
                raise LookupError
            handled.append(event.id)
        return handled

    with pytest.raises(LookupError):
        handle(2)
    rest = handle(9)
    assert 2 == len(rest)
    assert [] == handle(9)
    assert set() == behind(each_outbox, ["shop"])


def test_waiting_ends(each_outbox: Outbox, partition: Partition) -> None:
    """A read blocks no longer than it was told, whatever the client's own timeout is."""
    reader = Subscription(each_outbox, "shop").opened()

    assert [] == reader.read(block_seconds=0.7)
    tell(each_outbox, partition.code, "inbound.received")
    assert 1 == len(reader.read(block_seconds=5))


def test_a_redis_that_forgot_is_subscribed_to_again(each_outbox: Outbox, partition: Partition) -> None:
    """The reader makes its group anew, and reads what came since."""
    reader = Subscription(each_outbox, "shop").opened()
    each_outbox.scripts.client.flushall()
    tell(each_outbox, partition.code, "inbound.received")

    assert ["inbound.received"] == types_of(reader.read())


@pytest.mark.parametrize("broken", ["[]", "null", '{"type": ["0031600000987"], "at": 1, "data": {}}'])
def test_an_entry_of_another_shape_holds_up_nothing(
    outbox: Outbox, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    """JSON, though not what this version knows: it is passed over as any broken one is."""
    code = outbox.registry.partition("default").code
    reader = Subscription(outbox, "shop").opened()
    outbox.scripts.client.xadd(stream_of(code), {"j": broken})
    tell(outbox, code, "inbound.received")

    assert ["inbound.received"] == types_of(reader.read())
    assert "event.unreadable" in caplog.text
    assert "600000987" not in caplog.text


def test_a_broken_entry_holds_up_nothing(
    each_outbox: Outbox, partition: Partition, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told of, without what is in it, and not read again."""
    reader = Subscription(each_outbox, "shop").opened()
    each_outbox.scripts.client.xadd(stream_of(partition.code), {"j": '{"type": "0031600000987'})
    tell(each_outbox, partition.code, "inbound.received")

    assert ["inbound.received"] == types_of(reader.read())
    assert "event.unreadable" in [record.getMessage() for record in caplog.records]
    assert "600000987" not in caplog.text


def test_a_thousand_events_of_one_entry(each_outbox: Outbox, partition: Partition) -> None:
    """They come with their rows, in their order, under ids of their own."""
    each_outbox.events("shop", wait=0)
    ids = [
        result.id  # type: ignore[union-attr]
        for result in each_outbox.enqueue_many(
            HELLO | {"client_reference": f"order-{n}"} for n in range(1000)
        )
    ]
    partition.cancel([id[2:] for id in ids])

    told = list(each_outbox.events("shop", wait=0))
    assert ids == [event.message for event in told]
    assert [f"order-{n}" for n in range(1000)] == [event.client_reference for event in told]
    assert 1000 == len({event.id for event in told})


def test_asyncio_reads_the_same(each_outbox: Outbox, partition: Partition) -> None:
    """And what a loop leaves comes again."""
    each_outbox.events("shop", wait=0)
    tell(each_outbox, partition.code, *["inbound.received"] * 3)

    async def read(until: int) -> list[Event]:
        found: list[Event] = []
        async with aclosing(AsyncOutbox.of(each_outbox).events("shop", wait=0)) as events:
            async for event in events:
                found.append(event)
                if len(found) == until:
                    break
        return found

    first, rest = asyncio.run(read(2)), asyncio.run(read(9))
    assert (2, 2) == (len(first), len(rest))
    assert first[1] == rest[0]


def test_the_first_message_of_a_new_partition_is_heard_of(outbox: Outbox) -> None:
    """Whoever subscribed before there was anything hears of it from the first message on."""
    reader = Subscription(outbox, "shop").opened()
    receipt = outbox.enqueue(Message(sender="Acme", to="+31600000001", text="hi"), account="later")
    outbox.cancel(receipt.id)

    assert [(receipt.id, "later")] == [
        (event.message, event.account) for one in reader.read(block_seconds=5) for event in one.events
    ]
