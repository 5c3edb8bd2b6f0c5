"""The deadline of a call: one moment that bounds every system call of a request.

requests bounds each `recv`, so a server that drips keeps a caller for ever. Whoever calls sets
`deadline.ends` for its thread before the request, and mounts connections that go by it.
"""

from __future__ import annotations

import threading
import time
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from math import inf
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    import socket


class Deadline(threading.local):
    """The end of the call that this thread is in, `time.monotonic`; without one the timeouts alone hold."""

    ends = inf

    def left(self) -> float:
        """Seconds to it; raises TimeoutError past it."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def bound(self, sock: socket.socket) -> None:
        """Let the next call on `sock` end by then."""
        if self.ends < inf:
            sock.settimeout(self.left())


deadline = Deadline()


class BoundedReads(RawIOBase):
    """A socket's reading end, each `recv` within the deadline of the call."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        deadline.bound(self._sock)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class BoundedResponse(HTTPResponse):
    """http.client's response, reading within the deadline."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = BufferedReader(BoundedReads(sock))


class PlainConnection(HTTPConnection):
    """A connection that reads and writes within the deadline."""

    response_class = BoundedResponse

    def send(self, data: Any) -> None:
        """Write all of `data` within the deadline: `sendall` of a TLS socket has one for each record."""
        if self.sock is None:
            self.connect()
        if deadline.ends == inf:
            super().send(data)
            return
        rest = memoryview(data)
        while rest:
            deadline.bound(self.sock)
            rest = rest[self.sock.send(rest) :]


class SecureConnection(PlainConnection, HTTPSConnection):
    """The same, over TLS."""
