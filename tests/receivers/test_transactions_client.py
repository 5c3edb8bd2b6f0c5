"""The request to the Transactions API: whatever answers there, it ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import repeat

import pytest

from receivers.reconcile.client import ANSWER_CAP, Client, NoPage

SECONDS = 1.0
CHUNK = 1 << 20


class Server:
    """Answers one request with what it is told to, piece by piece; `sent` counts the bytes."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.sent = 0

    def answers(self, head: bytes, piece: bytes, pieces: int, wait: float) -> None:
        def serve() -> None:
            with suppress(OSError), self.listener.accept()[0] as peer:
                peer.recv(1 << 16)
                peer.sendall(head)
                for part in repeat(piece, pieces):
                    peer.sendall(part)
                    self.sent += len(part)
                    time.sleep(wait)

        threading.Thread(target=serve, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.listener.close()


def asked(server: Server) -> tuple[object, float]:
    began = time.monotonic()
    now = time.time()
    answer = Client(server.url, answer_seconds=SECONDS).ask("token", "AA3KEKAJE2CL6Y6M", now, now, 1)
    return answer, time.monotonic() - began


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["head", "body"]
)
def test_an_answer_that_drips_in_has_one_deadline(server: Server, head: bytes) -> None:
    """Its head as well as its body: else one answer would keep a thread of the errands for hours."""
    server.answers(head, b"a", 60, 0.1)
    answer, seconds = asked(server)

    assert isinstance(answer, NoPage)
    assert seconds < 2 * SECONDS


def test_a_redirect_is_not_read(server: Server) -> None:
    """Not followed, it is an answer like any other that is no page, however long its body."""
    head = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n"
    server.answers(head, bytes(CHUNK), 8 * ANSWER_CAP // CHUNK, 0.0)
    answer, _ = asked(server)

    assert NoPage("HTTP 302") == answer
    assert server.sent < ANSWER_CAP
