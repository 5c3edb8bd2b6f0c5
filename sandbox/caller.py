"""The sandbox as an HTTP client: one request after another over a connection that is kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

import httptools

_CHUNK = 64 * 1024
_LARGEST_ANSWER = 2**20


class Call(NamedTuple):
    """One request. The target is `url` with `query` behind what it has of its own."""

    method: str
    url: str
    body: bytes = b""
    content_type: str = ""
    query: str = ""


@dataclass(slots=True)
class _Line:
    """A connection to one origin: answers that came over it, and whether the present one has begun."""

    origin: tuple[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answered: int = 0
    begun: bool = False


class Caller:
    """Makes calls. Not for two at the same time."""

    def __init__(self) -> None:
        self._line: _Line | None = None

    async def status(self, call: Call, seconds: float) -> int | None:
        """The status answered, or None for no whole answer within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                return await self._ask(call)
        except (OSError, EOFError, ValueError, httptools.HttpParserError):
            self.hang_up()
            return None
        except asyncio.CancelledError:
            self.hang_up()
            raise

    def hang_up(self) -> None:
        if self._line is not None:
            self._line.writer.transport.abort()
            self._line = None

    async def _ask(self, call: Call) -> int:
        line = await self._dialled(call.url)
        try:
            return await self._asked(line, call)
        except (OSError, EOFError):
            if line.answered == 0 or line.begun:
                raise
            # The other side closed a connection that it had kept: that says nothing of this call.
            self.hang_up()
            return await self._asked(await self._dialled(call.url), call)

    async def _asked(self, line: _Line, call: Call) -> int:
        answer = _Answer()
        status = await answer.of(line, _written(call))
        line.answered += 1
        if not answer.keep_alive:
            self.hang_up()
        return status

    async def _dialled(self, url: str) -> _Line:
        parts = urlsplit(url)
        origin = parts.scheme, parts.netloc
        if self._line is None or self._line.origin != origin:
            self.hang_up()
            secure = parts.scheme == "https"
            port = parts.port or (443 if secure else 80)
            reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure or None)
            self._line = _Line(origin, reader, writer)
        return self._line


class _Answer:
    """An answer while it is read; a callback object of httptools."""

    def __init__(self) -> None:
        self.keep_alive = False
        self._parser = httptools.HttpResponseParser(self)
        self._keeps = False
        self._has_head = False
        self._complete = False

    def on_headers_complete(self) -> None:
        self._has_head = True
        self._keeps = bool(self._parser.should_keep_alive())  # only the parser of an unfinished answer knows

    def on_message_complete(self) -> None:
        self._complete = True

    async def of(self, line: _Line, request: bytes) -> int:
        """The status; raises EOFError when the connection ends before it is known, or the body never ends."""
        line.begun = False
        line.writer.write(request)
        read = 0
        while not self._complete:
            chunk = await line.reader.read(_CHUNK)
            if not chunk and self._has_head:  # a body without a length ends with its connection
                return int(self._parser.get_status_code())
            read += len(chunk)
            if not chunk or read > _LARGEST_ANSWER:
                raise EOFError
            line.begun = True
            self._parser.feed_data(chunk)
        self.keep_alive = self._keeps
        return int(self._parser.get_status_code())


def _written(call: Call) -> bytes:
    parts = urlsplit(call.url)
    query = "&".join(part for part in (parts.query, call.query) if part)
    lines = [
        f"{call.method} {parts.path or '/'}{'?' if query else ''}{query} HTTP/1.1",
        f"Host: {parts.netloc.rpartition('@')[2]}",
        "User-Agent: sandbox",
        "Accept: */*",
    ]
    if call.method == "POST":
        lines += [f"Content-Type: {call.content_type}", f"Content-Length: {len(call.body)}"]
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + call.body
