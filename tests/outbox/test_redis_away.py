"""When Redis cannot be used: what a caller hears, how soon, and whether its message may be queued."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from cmqueue import Message, Outbox, OutboxUnavailable
from cmqueue.settings import LibrarySettings
from demo.valkey import RunningServer

TIMEOUT = 0.5
SLACK = 0.15  # for a machine that is busy
HELLO = Message(sender="Acme", to="+31600000001", text="hi")

Serve = Callable[[socket.socket], None]


@contextmanager
def _listener(serve: Serve) -> Iterator[int]:
    """A port where every connection is served by `serve` in a thread of its own, until the end."""
    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                stack.callback(connection.close)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        acceptor.join(5)


@contextmanager
def _outbox(port: int) -> Iterator[Outbox]:
    env = {"CMQUEUE_REDIS_URL": f"redis://127.0.0.1:{port}/0", "CMQUEUE_REDIS_TIMEOUT": str(TIMEOUT)}
    with Outbox(LibrarySettings.from_env(env)) as outbox:
        outbox.waker.wake = lambda *_: True  # type: ignore[method-assign]
        yield outbox


def _refused(outbox: Outbox) -> OutboxUnavailable:
    """What an enqueue raises, within the timeout."""
    began = time.monotonic()
    with pytest.raises(OutboxUnavailable) as raised:
        outbox.enqueue(HELLO)
    assert time.monotonic() - began < TIMEOUT + SLACK
    return raised.value


class Relay:
    """Passes everything on to a real server, until it is told to fail enqueues."""

    def __init__(self, server: RunningServer) -> None:
        self._port = server.port
        self.lose_reply = False
        self.dies_of_it = True
        self.mute = False
        self.dead = False

    def __call__(self, client: socket.socket) -> None:
        if self.dead:
            client.close()
            return
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            while data := _received(client):
                server.sendall(data)
                answer = _received(server)
                if not answer:
                    return
                if self.lose_reply:
                    self.lose_reply = False
                    self.dead = self.dies_of_it
                    client.shutdown(socket.SHUT_RDWR)
                    return
                if not self.mute:
                    client.sendall(answer)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 16)
    except OSError:
        return b""


@pytest.fixture
def relayed(valkey: RunningServer) -> Iterator[tuple[Relay, Outbox]]:
    """An outbox whose way to Redis can be cut; its first message is through."""
    relay = Relay(valkey)
    with _listener(relay) as port, _outbox(port) as outbox:
        outbox.scripts.client.flushall()
        outbox.enqueue(HELLO)
        yield relay, outbox


def test_a_refused_connection(valkey: RunningServer) -> None:
    """Nobody listens: certainly not enqueued, said at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with _outbox(port) as outbox:
        assert not _refused(outbox).maybe_enqueued


def test_a_server_that_never_answers() -> None:
    """It accepts and is silent from the first: no command was sent, and the timeout holds."""
    with _listener(lambda _: None) as port, _outbox(port) as outbox:
        assert not _refused(outbox).maybe_enqueued


def test_a_server_that_is_silent_after_the_request(relayed: tuple[Relay, Outbox]) -> None:
    """The request went out, no answer came in time: perhaps enqueued."""
    relay, outbox = relayed
    relay.mute = True

    assert _refused(outbox).maybe_enqueued


def test_a_server_that_dies_after_the_request(relayed: tuple[Relay, Outbox]) -> None:
    """The request was heard, then everything was gone: perhaps enqueued, and here it was."""
    relay, outbox = relayed
    relay.lose_reply = True

    assert _refused(outbox).maybe_enqueued

    relay.dead = False
    assert 2 == outbox.audit().enqueued


def test_one_lost_connection_goes_unnoticed(relayed: tuple[Relay, Outbox]) -> None:
    """A connection that Redis closed while it was idle is replaced, and the message enqueued once."""
    _, outbox = relayed
    outbox.scripts.client.client_kill_filter(_type="normal", skipme=False)

    outbox.enqueue(HELLO)

    assert 2 == outbox.audit().enqueued


def test_a_lost_reply_enqueues_once(relayed: tuple[Relay, Outbox]) -> None:
    """The second try, made because the first one's reply was lost, finds the message there."""
    relay, outbox = relayed
    relay.dies_of_it = False
    relay.lose_reply = True

    receipt = outbox.enqueue(HELLO)

    assert not receipt.duplicate
    assert 2 == outbox.audit().enqueued


def test_after_an_outage_it_goes_on(relayed: tuple[Relay, Outbox]) -> None:
    """No state is kept of it: the next call is tried as the first was."""
    relay, outbox = relayed
    relay.dead = True
    outbox.scripts.client.connection_pool.disconnect()
    _refused(outbox)
    relay.dead = False

    outbox.enqueue(HELLO)

    assert 2 == outbox.audit().enqueued


def test_an_error_names_no_number_and_no_text(relayed: tuple[Relay, Outbox]) -> None:
    """Errors are logged by the web app: nothing of the message is in them."""
    relay, outbox = relayed
    relay.mute = True

    problem = str(_refused(outbox))

    assert "600000001" not in problem
    assert "hi" not in problem.split()
