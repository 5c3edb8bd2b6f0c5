"""uvicorn's protocol for one connection, with the bounds that it has none for.

uvicorn waits for ever for the end of a request's head, for a peer that connects and says nothing, and for one
that does not read its answer; and it takes any number of connections. All of these are closed here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

WRITE_SECONDS = 30  #: for a peer to read an answer that is larger than the buffers
PIECE_BYTES = 16 << 10  #: h11 sees no more at once
LINE_SECONDS = 10  #: at most one log line in so many seconds tells of connections turned away

log = structlog.get_logger("cmqueue.listening")


#: The body, which is JSON or nothing, of an answer with this status and these words.
Say = Callable[[int, str], bytes]


def say_nothing(_status: int, _details: str) -> bytes:
    """The status says it all."""
    return b""


def bounded(
    *,
    connections: int,
    seconds: float,
    write_seconds: float = WRITE_SECONDS,
    say: Say = say_nothing,
) -> type[BoundedProtocol]:
    """The protocol, for at most `connections` at once and `seconds` for the head of each request.

    A peer has `write_seconds` to take what was written; `say` puts a refusal in the program's own shape.
    """

    class Bounded(BoundedProtocol):
        bounds = Bounds(connections, seconds, write_seconds, say)

    return Bounded


class Bounds:
    """What holds for all connections of a server, and what those are told that pass it."""

    def __init__(self, connections: int, seconds: float, write_seconds: float, say: Say) -> None:
        self.connections = connections
        self.seconds = seconds
        self.write_seconds = write_seconds
        self.full = _raw(503, say(503, "Too many connections"))
        self.late = _raw(408, say(408, f"The head took longer than {seconds:g} seconds"))
        self.malformed = _raw(400, say(400, "This is not HTTP"))
        self._told_at = -float(LINE_SECONDS)

    def tell(self) -> None:
        """A log line, though not one for each connection that is turned away."""
        if time.monotonic() - self._told_at >= LINE_SECONDS:
            self._told_at = time.monotonic()
            log.warning("connection.refused", most=self.connections)


class BoundedProtocol(H11Protocol):
    """One connection. h11 itself bounds how long a head is."""

    bounds: Bounds
    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _heard = False  #: whether there is a part of a request that is not answered

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # Requests whose peer has gone count too: they are in the works until they end.
        most = self.bounds.connections
        if len(self.connections) <= most and len(self.tasks) < most:
            self._expect_head()
            return
        self.bounds.tell()
        transport.write(self.bounds.full)
        self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self._write_went()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """In pieces: h11 bounds a head by what it has of it, so one that came at once would have no bound."""
        for begin in range(0, len(data), PIECE_BYTES):
            if not self.transport.is_closing():
                self._piece_received(data[begin : begin + PIECE_BYTES])

    def _piece_received(self, data: bytes) -> None:
        cycle = self.cycle
        super().data_received(data)
        if self.cycle is not cycle:  # the head of a request is complete
            self._head_came()
        elif cycle is None or cycle.response_complete:
            self._heard = self.conn.their_state is not h11.IDLE or bool(self.conn.trailing_data[0])
            if cycle is not None and not self._heard:  # the end of a body that was not waited for
                self._head_came()
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
            elif self._head_timer is None:
                self._expect_head()

    def _expect_head(self) -> None:
        if not self.transport.is_closing():
            self._head_timer = self.loop.call_later(self.bounds.seconds, self._head_is_late)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._heard:  # who asked for nothing might take it for the answer to a later request
            self.transport.write(self.bounds.late)
        self._close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - we have words of our own
        """In our own shape, and only where no other answer is on its way."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(self.bounds.malformed)
        self._close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._close()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._close()

    def _close(self) -> None:
        """Close, though the peer may never read what is left to write."""
        self.transport.close()
        self._expect_reader()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        if not self.transport.is_closing():  # then all of it has to go
            self._write_went()
        super().resume_writing()

    def _expect_reader(self) -> None:
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.bounds.write_seconds, self.transport.abort)

    def _write_went(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


_REASONS = {400: "Bad Request", 408: "Request Timeout", 503: "Service Unavailable"}


def _raw(status: int, body: bytes) -> bytes:
    """An answer in HTTP, for a connection that ends with it."""
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}"]
    if body:
        lines.append("Content-Type: application/json")
    lines += [f"Content-Length: {len(body)}", "Connection: close"]
    if status == 503:
        lines.append("Retry-After: 1")
    return "\r\n".join([*lines, "", ""]).encode() + body
