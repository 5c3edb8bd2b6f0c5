"""The sandbox as an HTTP client: connections kept, and kept no longer than the other side does."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.caller import Call, Caller

KEPT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ENDED = b"HTTP/1.0 204 No Content\r\n\r\n"
UNMEASURED = b"HTTP/1.1 503 Service Unavailable\r\n\r\nsorry"


class Peer:
    """A server that gives these answers: a list for each connection, an item for each request."""

    def __init__(self, *connections: list[bytes]) -> None:
        self._connections = list(connections)
        self.requests: list[bytes] = []
        self.tasks: list[asyncio.Task[None] | None] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.append(asyncio.current_task())
        try:
            for answer in self._connections.pop(0):
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
                await writer.drain()
        finally:
            writer.close()
            await writer.wait_closed()


def statuses(peer: Peer, *, calls: int = 1, seconds: float = 5.0) -> list[int | None]:
    """What so many calls of one caller come to."""

    async def ask() -> list[int | None]:
        server = await asyncio.start_server(peer, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        caller = Caller()
        found = [
            await caller.status(Call("GET", f"http://{host}:{port}/a?b=c", query="d=e"), seconds)
            for _ in range(calls)
        ]
        caller.hang_up()
        await asyncio.gather(*[task for task in peer.tasks if task], return_exceptions=True)
        server.close()
        await server.wait_closed()
        return found

    return asyncio.run(ask())


def test_a_connection_is_kept() -> None:
    """Two calls, one connection; the query goes behind that of the URL."""
    peer = Peer([KEPT, KEPT])
    assert [200, 200] == statuses(peer, calls=2)
    assert peer.requests[0].startswith(b"GET /a?b=c&d=e HTTP/1.1\r\n")


def test_a_connection_that_was_closed_meanwhile_is_made_again() -> None:
    """The other side may close what it kept; that is no failed try."""
    assert [200, 200] == statuses(Peer([KEPT], [KEPT]), calls=2)


def test_an_answer_that_ends_its_connection() -> None:
    """The next call has one of its own."""
    assert [204, 204] == statuses(Peer([ENDED], [ENDED]), calls=2)


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    """Its status counts all the same."""
    assert [503] == statuses(Peer([UNMEASURED]))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nConte", b"SSH-2.0-x\r\n\r\n"])
def test_what_is_no_answer(answer: bytes) -> None:
    """Nothing, half a head, another protocol: None, on a first connection at once."""
    assert [None] == statuses(Peer([answer]))


def test_a_late_answer_is_none() -> None:
    """After so many seconds."""

    class Slow(Peer):
        async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.tasks.append(asyncio.current_task())
            try:
                await reader.read()
            finally:
                writer.close()
                await writer.wait_closed()

    assert [None] == statuses(Slow(), seconds=0.05)
