"""Servers on loopback that answer by a script, for the tests of the gateway."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

from worker.answer import Answer, NoAnswer, NoAnswerKind
from worker.gateway import Gateway

TOKEN = "11111111-1111-1111-1111-111111111111"
BODY = b'{"messages":{"msg":[]}}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
PATIENCE = 10.0  # no test waits this long unless something is broken

Script = Callable[["Peer"], None]


class Peer:
    """One accepted connection, as a script of the server sees it."""

    def __init__(self, sock: socket.socket, server: Server) -> None:
        self.sock = sock
        self.server = server

    def request(self) -> bytes:
        """Read one whole request; b"" when the client has gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.sock.recv(65536)
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.splitlines()
            if line.lower().startswith(b"content-length:")
        )
        while len(body) < length:
            body += self.sock.recv(65536)
        self.server.requests.append(head + b"\r\n\r\n" + body)
        return self.server.requests[-1]

    def reset(self) -> None:
        """Close with a reset instead of a farewell."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.sock.close()


class Server:
    """A listener on loopback; each connection runs `script` in a thread. `tls` wraps what is accepted."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopped = threading.Event()
        self._script, self._tls = script, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1.0/message"

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self.stopped.is_set():
                sock.close()
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(sock,)))
            self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        with closing(sock), suppress(OSError):
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            with closing(sock):
                self._script(Peer(sock, self))

    def close(self) -> None:
        self.stopped.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listener.close()


@contextmanager
def serving(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(script, tls)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def calling(url: str, **options: object) -> Iterator[Gateway]:
    gateway = Gateway(url, **{"connect_timeout": 2.0, "read_timeout": 5.0} | options)  # type: ignore[arg-type]
    try:
        yield gateway
    finally:
        gateway.close()


def answered(script: Script, **options: object) -> tuple[Answer, Server]:
    """The answer to one POST to a server that runs `script`."""
    with serving(script) as server, calling(server.url, **options) as gateway:
        return gateway.post(BODY, TOKEN), server


def replying(reply: bytes) -> Script:
    """A server that answers each request of a connection with `reply`."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.sock.sendall(reply)

    return script


def kind(answer: Answer) -> NoAnswerKind:
    assert isinstance(answer, NoAnswer), answer
    return answer.kind


def dripping(start: bytes, drops: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.request()
        peer.sock.sendall(start)
        for drop in drops:
            if peer.server.stopped.wait(0.1):
                return
            peer.sock.sendall(bytes([drop]))

    return script
