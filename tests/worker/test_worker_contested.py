"""A partition that two accounts hold: a worker that has both tokens sends under neither."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from harness import TOKEN
from structlog.testing import capture_logs

from cmqueue import Guarantee, Message, Outbox, Receipt, State
from cmqueue.lane import Lane
from cmqueue.partition import REGISTRY
from config.settings import WorkerSettings
from demo.valkey import RunningServer
from sandbox.running import SandboxClient
from worker.drain import Drain

LEAST = Guarantee.AT_LEAST_ONCE
Lose = Callable[[Drain, Outbox], None]


@pytest.fixture
def drain(valkey: RunningServer, outbox: Outbox, sandbox: SandboxClient) -> Iterator[Drain]:
    """A worker's, that has sent a message for `default` from AA."""
    settings = WorkerSettings.from_env(
        {
            "CMQUEUE_REDIS_URL": valkey.url,
            "CMQUEUE_ENDPOINT": sandbox.endpoint,
            "CMQUEUE_ACCOUNTS": json.dumps({"default": TOKEN, "shop": TOKEN.replace("1", "2")}),
        }
    )
    enqueue(outbox)
    with Outbox(settings) as own:
        made = Drain(own, settings, list(Lane), 4)
        own.waker.wake = lambda *_: True  # type: ignore[method-assign]
        made.wake(Lane.URGENT, "AA")
        assert 1 == sandbox.counts()["unique"]
        yield made


def enqueue(outbox: Outbox) -> str:
    outbox.waker.wake = lambda *_: True  # type: ignore[method-assign]
    receipt = outbox.enqueue(
        Message(sender="Acme", to="+31600000001", text="Hi"), lane="urgent", guarantee=LEAST
    )
    assert isinstance(receipt, Receipt)
    return receipt.id


def restart(drain: Drain, outbox: Outbox) -> None:
    """Redis was restarted, empty, and gave AA to `shop`, before anybody else came."""
    outbox.scripts.client.flushdb()
    outbox.scripts.client.hset(REGISTRY, "shop:0", 0)
    drain.outbox.scripts.client.connection_pool.disconnect()


def flush(drain: Drain, outbox: Outbox) -> None:
    """The same without a connection that breaks: the fall of the sequence is what shows it."""
    outbox.scripts.client.flushdb()
    outbox.scripts.client.hset(REGISTRY, "shop:0", 0)


@pytest.mark.parametrize("lose", [restart, flush])
def test_nothing_is_sent_under_a_wrong_token(
    drain: Drain, outbox: Outbox, sandbox: SandboxClient, lose: Lose
) -> None:
    """Neither by a wake-up that comes before any sweep, nor later; the messages stay queued."""
    lose(drain, outbox)
    id = enqueue(outbox)  # by whoever has the code, of either account

    with capture_logs() as lines:
        drain.wake(Lane.URGENT, "AA")
        drain.partitions()
        drain.wake(Lane.URGENT, "AA")

    assert 1 == sandbox.counts()["unique"]
    status = outbox.status(id)
    assert status is not None
    assert State.QUEUED is status.state
    assert {"batch.unposted", "account.unknown"} <= {line["event"] for line in lines}
