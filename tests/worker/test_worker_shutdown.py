"""Ending a worker: in order, in a hurry, and by itself."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time

import pytest
from harness import Run, events, eventually, finished

from cmqueue import Content, Guarantee, Message, Outbox, State
from demo.valkey import RunningServer
from sandbox.running import SandboxClient


def test_sigterm_gives_back_what_was_not_posted(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """A batch that was claimed and not yet posted is back in its lane at once, not after its lease."""
    outbox.broadcast(Content(sender="Acme", text="Sale"), [f"003160000{n:04}" for n in range(100)])
    worker = run(CMQUEUE_FAILPOINTS="1", CMQUEUE_FAILPOINT="after_encode=stall:2", CMQUEUE_LEASE_SECONDS="30")
    eventually(lambda: outbox.audit().waiting[State.CLAIMED] == 100)

    worker.process.send_signal(signal.SIGTERM)
    assert 0 == worker.process.wait(15)
    audit = outbox.audit()
    assert (100, True) == (audit.waiting[State.QUEUED], audit.balanced)
    assert 0 == sandbox.counts()["requests"]
    assert ["told to stop"] == [line["why"] for line in events(worker, "batch.unposted")]


def test_sigterm_starts_no_new_request(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """With a large backlog, only requests under way at SIGTERM reach the endpoint, and they are settled."""
    outbox.broadcast(Content(sender="Acme", text="Sale"), [f"003160000{n:04}" for n in range(3000)])
    sandbox.faults({"kind": "slow", "ms": 1000})
    worker = run(CMQUEUE_BATCH_SIZE="100")
    eventually(lambda: outbox.audit().waiting[State.POSTING] >= 100)
    worker.process.send_signal(signal.SIGTERM)

    assert 0 == worker.process.wait(20)
    audit = outbox.audit()
    taken = sandbox.counts()["unique"]
    assert (taken, 3000 - taken, True) == (
        audit.finished[State.ACCEPTED], audit.waiting[State.QUEUED], audit.balanced,
    )  # fmt: skip
    assert taken < 3000


def test_a_second_sigterm_is_safe(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """In a hurry the answer is lost, not the message: it is in doubt, and never sent twice."""
    receipt = outbox.enqueue(
        Message(sender="Acme", to="0031600000001", text="Hi"), guarantee=Guarantee.AT_MOST_ONCE
    )
    sandbox.faults({"kind": "hang", "taken": True, "count": 1})
    worker = run()
    eventually(lambda: sandbox.counts()["unique"])  # the mark comes a moment before the POST
    for _ in range(2):
        worker.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
    worker.process.wait(20)
    run()

    assert State.UNKNOWN is eventually(lambda: finished(outbox, receipt.id), 30)
    assert 1 == sum(sandbox.pairs().values())


@pytest.mark.parametrize("started", ["worker.started", "worker0@test ready."])
def test_sigterm_ends_a_worker_whose_redis_is_away(
    private_valkey: RunningServer, sandbox: SandboxClient, start_worker: Run, started: str
) -> None:
    """Told to stop during an outage a worker exits within the read timeout and 5 s, while it starts too."""
    worker = start_worker(
        private_valkey.url, sandbox.endpoint, CMQUEUE_READ_TIMEOUT="2", CMQUEUE_LEASE_SECONDS="10"
    )
    eventually(lambda: events(worker, started))
    private_valkey.stop()
    eventually(lambda: events(worker, "redis.unreachable"))
    began = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    worker.process.wait(20)

    assert time.monotonic() - began < 2 + 5 + 2  # and what this machine adds


class FallingRelay:
    """A way to Redis that is gone for good as soon as certain bytes pass."""

    def __init__(self, port: int, last: bytes) -> None:
        self._port, self._last = port, last
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._listener]
        self.port = self._listener.getsockname()[1]
        self.fallen = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self.fallen:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            self._open += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self._last in data:
                    self.close()
                sink.sendall(data)

    def close(self) -> None:
        """Nobody connects any more, and every connection is cut."""
        self.fallen = True
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.mark.parametrize("last", [b"worker.online", b"SUBSCRIBE", b"BRPOP"])
def test_sigterm_ends_a_worker_whose_broker_went_while_it_started(
    valkey: RunningServer, sandbox: SandboxClient, start_worker: Run, last: bytes
) -> None:
    """Celery connects again and again by then, deaf to the signal; the worker ends all the same."""
    with contextlib.closing(FallingRelay(valkey.port, last)) as relay:
        broker = f"redis://127.0.0.1:{relay.port}/0"
        worker = start_worker(
            valkey.url, sandbox.endpoint, CMQUEUE_BROKER_URL=broker, CMQUEUE_READ_TIMEOUT="2"
        )
        eventually(lambda: relay.fallen)
        eventually(lambda: events(worker, "worker.started"))
        time.sleep(0.5)
        worker.process.send_signal(signal.SIGTERM)

        assert 0 == worker.process.wait(2 + 5 + 2)


@pytest.mark.slow
def test_a_stuck_worker_exits_for_its_supervisor(outbox: Outbox, run: Run) -> None:
    """Up, Redis there, a free thread, a backlog, and nothing claimed for a minute: it ends with status 70."""
    worker = run(CMQUEUE_FAILPOINTS="1", CMQUEUE_FAILPOINT="before_claim=raise")
    outbox.enqueue(Message(sender="Acme", to="0031600000001", text="Hi"))

    assert 70 == worker.process.wait(100)
    assert events(worker, "worker.stuck")
    assert State.QUEUED in outbox.audit().waiting
