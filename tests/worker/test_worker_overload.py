"""More than usual: the largest content, a slow Redis, a full one."""

from __future__ import annotations

import pytest
from harness import Run, all_finished, eventually

from chaos.proxy import Proxy
from cmqueue import Content, Message, Outbox, OutboxFull, State
from cmqueue.content import CONTENT_BYTES
from cmqueue.settings import LibrarySettings
from demo.valkey import RunningServer, running
from sandbox.running import SandboxClient

LARGE = CONTENT_BYTES - 1000


def test_the_largest_contents_travel_in_requests_of_the_byte_cap(
    outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """Ten messages of a quarter of a megabyte: each once, and no request beyond CMQUEUE_BATCH_BYTES."""
    for n in range(10):
        rich = {"conversation": [{"text": f"{n}" + "x" * LARGE}]}
        outbox.enqueue(Message(sender="Acme", to=f"003160000{n:04}", text="Hi", rich_content=rich))
    run()

    eventually(lambda: all_finished(outbox))
    counts = sandbox.counts()
    assert (10, 10, 0) == (outbox.audit().finished[State.ACCEPTED], counts["unique"], counts["duplicates"])
    assert counts["requests"] >= 3  # four to a megabyte


def test_a_large_content_is_stored_and_sent_once_for_all_its_recipients(
    outbox: Outbox, sandbox: SandboxClient, run: Run
) -> None:
    """A broadcast of the largest content costs its bytes once in Redis and once on the wire."""
    rich = {"conversation": [{"text": "x" * LARGE}]}
    before = outbox.scripts.client.info("memory")["used_memory"]
    outbox.broadcast(
        Content(sender="Acme", text="Hi", rich_content=rich), [f"003160000{n:04}" for n in range(1000)]
    )
    grown = outbox.scripts.client.info("memory")["used_memory"] - before
    run()

    eventually(lambda: all_finished(outbox))
    assert grown < 4 * CONTENT_BYTES
    assert (1, 1000) == (sandbox.counts()["requests"], sandbox.counts()["unique"])
    assert 0 == outbox.scripts.client.hlen(outbox.registry.partition("default").prefix + "contents")


def test_a_slow_redis_slows_and_loses_nothing(
    outbox: Outbox, valkey: RunningServer, sandbox: SandboxClient, start_worker: Run
) -> None:
    """With 50 ms on every packet to Redis all messages arrive once, in full requests."""
    outbox.broadcast(Content(sender="Acme", text="Sale"), [f"003160000{n:04}" for n in range(5000)])
    proxy = Proxy(valkey.port)
    proxy.start()
    try:
        proxy.delay(0.05)
        worker = start_worker(proxy.url, sandbox.endpoint)
        eventually(lambda: all_finished(outbox), 40)
        assert 0 == worker.terminate()
    finally:
        proxy.stop()

    counts = sandbox.counts()
    assert (5000, 0) == (counts["unique"], counts["duplicates"])
    assert counts["requests"] <= 7
    assert outbox.audit(recount=True).balanced


def fill(outbox: Outbox) -> None:
    """Enqueue until Redis takes no more."""
    for n in range(99_999):
        outbox.enqueue(Message(sender="Acme", to=f"00316001{n:05}", text="x" * 600))


@pytest.mark.slow
def test_a_full_redis_is_emptied_by_the_worker(sandbox: SandboxClient, start_worker: Run) -> None:
    """At maxmemory enqueueing is refused whole; the worker delivers what is there; then there is room."""
    with (
        running("--save", "", "--maxmemory", "12mb", "--maxmemory-policy", "noeviction") as server,
        Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": server.url})) as outbox,
    ):
        with pytest.raises(OutboxFull) as caught:
            fill(outbox)
        queued = outbox.audit().enqueued
        assert caught.value.maybe_enqueued is False
        assert (True, True) == (queued > 1000, outbox.audit().balanced)

        worker = start_worker(server.url, sandbox.endpoint)

        def drained() -> bool:
            """Celery gives up on a broker that is full, and its supervisor starts it anew."""
            nonlocal worker
            if worker.process.poll() is not None:
                worker = start_worker(server.url, sandbox.endpoint)
            return all_finished(outbox)

        eventually(drained, 60, every=0.2)
        assert (queued, 0) == (sandbox.counts()["unique"], sandbox.counts()["duplicates"])
        again = outbox.enqueue(Message(sender="Acme", to="0031600000001", text="Room"))
        eventually(drained, 60, every=0.2)
        assert State.ACCEPTED is outbox.status(again.id).state
