"""HTTP/1.1 over one socket, written by hand so that an answer can also go wrong on it.

A `Request` is read whole, handed to a plain function, and the function's `Answer` is delivered in its
`manner`. Connections are kept alive; requests sent ahead of their answers wait in line.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from enum import Enum, auto
from http import HTTPStatus
from typing import NamedTuple, cast
from urllib.parse import unquote

import httptools

MAX_BODY = 100 * 2**20  #: bytes; what Cloudflare, in front of CM, lets pass by default

_CLOUDFLARE = {
    520: "Web Server Returned an Unknown Error",
    521: "Web Server Is Down",
    522: "Connection Timed Out",
    523: "Origin Is Unreachable",
    524: "A Timeout Occurred",
}
_LONGEST_WAIT = 30  #: seconds for what has to be done before an answer
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Request(NamedTuple):
    """One request. Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool


class Manner(Enum):
    """How an answer gets onto the wire."""

    WHOLE = auto()
    DRIPPED = auto()  #: byte after byte, `pause` seconds apart
    HALF = auto()  #: the head and half of the body, then the connection is closed
    RESET = auto()  #: nothing: the connection is reset
    NEVER = auto()  #: nothing: the connection stays open


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. Its first byte comes when all `after` is done and `delay` seconds more have passed."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    manner: Manner = Manner.WHOLE
    delay: float = 0.0
    pause: float = 0.0
    after: tuple[asyncio.Future[None], ...] = ()

    def head(self, *, keep_alive: bool) -> bytes:
        """Status line and headers."""
        lines = [
            f"HTTP/1.1 {self.status} {phrase(self.status)}",
            f"Date: {formatdate(usegmt=True)}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            f"Connection: {'keep-alive' if keep_alive else 'close'}",
            *(f"{name}: {value}" for name, value in self.headers),
            "\r\n",
        ]
        return "\r\n".join(lines).encode("latin-1")


def phrase(status: int) -> str:
    """The words after a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return _CLOUDFLARE.get(status, "Unknown")


class Connection(asyncio.Protocol):
    """One client's connection. `open_ones` is kept up to date with every connection there is."""

    def __init__(self, answer: Callable[[Request], Answer], open_ones: set[Connection]) -> None:
        self._answer = answer
        self._open_ones = open_ones
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._busy = False
        self._retired = False
        self._delivery: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport
        self._begin()

    def retire(self) -> None:
        """Close at once when idle, else after the answer under way."""
        self._retired = True
        if not self._busy:
            self._transport.close()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._open_ones.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._open_ones.discard(self)
        self._waiting.clear()
        if self._delivery is not None:
            self._delivery.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(400)
            return
        if self._size > MAX_BODY:
            self._refuse(413)
            return
        self._serve()

    # the parser's side

    def on_message_begin(self) -> None:
        self._begin()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        announced = self._headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > MAX_BODY:
            self._size = MAX_BODY + 1
        elif self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= MAX_BODY:
            self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        path, _, query = self._url.decode("latin-1").partition("?")
        self._waiting.append(
            Request(
                self._parser.get_method().decode(),
                unquote(path),
                query,
                self._headers,
                b"".join(self._chunks),
                self._parser.should_keep_alive(),
            )
        )

    # ours

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._size = 0

    def _refuse(self, status: int) -> None:
        self._transport.write(Answer(status=status).head(keep_alive=False))
        self._transport.close()

    def _serve(self) -> None:
        while self._waiting and not self._busy and not self._transport.is_closing():
            request = self._waiting.popleft()
            self._busy = True
            try:
                answer = self._answer(request)
            except Exception:  # noqa: BLE001 (a bug of the sandbox must not look like a dead network)
                traceback.print_exc(file=sys.stderr)
                answer = Answer(status=500, body=b'{"error": "the sandbox itself failed; see its output"}')
            if answer.manner is Manner.WHOLE and not answer.delay and not answer.after:
                self._write(request, answer)
            else:
                self._delivery = asyncio.get_running_loop().create_task(self._deliver(request, answer))

    def _write(self, request: Request, answer: Answer) -> None:
        keep_alive = request.keep_alive and not self._retired
        head = answer.head(keep_alive=keep_alive)
        self._transport.write(head if request.method == "HEAD" else head + answer.body)
        self._done(keep_alive=keep_alive)

    def _done(self, *, keep_alive: bool) -> None:
        self._busy = False
        if not keep_alive:
            self._transport.close()

    async def _deliver(self, request: Request, answer: Answer) -> None:
        if answer.after:
            await asyncio.wait(answer.after, timeout=_LONGEST_WAIT)
        await asyncio.sleep(answer.delay)
        match answer.manner:
            case Manner.WHOLE:
                self._write(request, answer)
                self._serve()
            case Manner.DRIPPED:
                for byte in answer.head(keep_alive=False) + answer.body:
                    self._transport.write(bytes((byte,)))
                    await asyncio.sleep(answer.pause)
                self._done(keep_alive=False)
            case Manner.HALF:
                half = answer.body[: len(answer.body) // 2]
                self._transport.write(answer.head(keep_alive=False) + half)
                self._done(keep_alive=False)
            case Manner.RESET:
                self._transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE
                )
                self._transport.abort()
            case Manner.NEVER:
                pass  # until the client gives up
