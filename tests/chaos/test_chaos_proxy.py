"""The wire that can be cut."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from chaos.proxy import Proxy, between


class Echo:
    """A server that sends back what it gets, and keeps it."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.heard = b""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(1024):
                    self.heard += data
                    connection.sendall(data)
            except OSError:
                pass


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with between(echo.port) as proxy:
        yield proxy


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def said(connection: socket.socket, text: bytes) -> bytes:
    """What comes back for `text`; empty where the connection has ended, by a reset or not."""
    try:
        connection.sendall(text)
        return connection.recv(1024)
    except ConnectionError:
        return b""


def test_it_passes_bytes_on(proxy: Proxy) -> None:
    """Left alone, it is as if it were not there."""
    with connected(proxy) as connection:
        assert b"one" == said(connection, b"one")
        assert b"two" == said(connection, b"two")


def test_a_cut_ends_connections_and_refuses_new_ones(proxy: Proxy) -> None:
    """`cut` resets what is open; the port is shut until `heal` opens the same one again."""
    with connected(proxy) as connection:
        assert b"one" == said(connection, b"one")
        proxy.cut()
        assert b"" == said(connection, b"two")
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    proxy.heal()
    with connected(proxy) as connection:
        assert b"three" == said(connection, b"three")


def test_what_was_written_while_it_hangs_arrives_afterwards(proxy: Proxy, echo: Echo) -> None:
    """`hang` passes nothing on and ends nothing; `heal` delivers what open connections wrote."""
    with connected(proxy) as connection:
        assert b"one" == said(connection, b"one")
        proxy.hang()
        connection.sendall(b"two")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1024)
        assert b"one" == echo.heard
        proxy.heal()
        connection.settimeout(5)
        assert b"two" == connection.recv(1024)


def test_a_connection_begun_while_it_hangs_never_comes_about(proxy: Proxy, echo: Echo) -> None:
    """No packet of it arrived, so nothing that was written into it may arrive later."""
    proxy.hang()
    with connected(proxy) as connection:
        connection.sendall(b"lost")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1024)
        proxy.heal()
        connection.settimeout(5)
        assert b"" == said(connection, b"")
    assert b"" == echo.heard


def test_it_delays(proxy: Proxy) -> None:
    """Each way takes as long as ordered."""
    proxy.delay(0.05)
    with connected(proxy) as connection:
        began = time.monotonic()
        assert b"one" == said(connection, b"one")
        assert time.monotonic() - began >= 0.1
