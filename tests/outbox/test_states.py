"""Where many messages stand, asked at once."""

from __future__ import annotations

import secrets

from cmqueue import Lane, Message, Outbox, State
from cmqueue.claim import Batch
from cmqueue.settings import LibrarySettings
from demo.valkey import RunningServer

MESSAGE = Message(sender="Acme", to="+31600000001", text="Hello")


def test_each_state_is_that_of_the_message(each_outbox: Outbox) -> None:
    """In the order asked, as `status` tells each; None for what is no message."""
    outbox = each_outbox
    partition = outbox.registry.partition("default")
    claimed, posting = (outbox.enqueue(MESSAGE, lane=lane).id for lane in ("normal", "bulk"))
    for lane in (Lane.NORMAL, Lane.BULK):
        batch, _ = partition.claim(secrets.token_hex(6), [lane], lease=60)
        assert isinstance(batch, Batch)
        if lane is Lane.BULK:
            partition.mark(batch.id, lease=60, earliest_expiry=0)
    queued, cancelled = (outbox.enqueue(MESSAGE).id for _ in range(2))
    outbox.cancel(cancelled)
    scheduled = outbox.enqueue(MESSAGE, send_at="2099-01-01T00:00:00Z").id
    asked = [queued, claimed, "nonsense", posting, scheduled.lower(), "A" * 26, cancelled, queued]

    found = outbox.states(asked)

    states = ["queued", "claimed", None, "posting", "scheduled", None, "cancelled", "queued"]
    assert states == found
    assert [status and status.state for status in map(outbox.status, asked)] == found


def test_thousands_and_several_shards(valkey: RunningServer) -> None:
    """A list may be as long as one likes, and its messages may lie anywhere."""
    settings = {"CMQUEUE_REDIS_URL": valkey.url, "CMQUEUE_SHARDS": "3"}
    with Outbox(LibrarySettings.from_env(settings)) as outbox:
        outbox.scripts.client.flushall()
        ids = [
            outbox.enqueue(MESSAGE, account=account).id
            for account in ("default", "second")
            for _ in range(10)
        ]
        ids += [outbox.enqueue(MESSAGE).id] * 2500

        assert [State.QUEUED] * 2520 == outbox.states(ids)
    assert [] == outbox.states([])
