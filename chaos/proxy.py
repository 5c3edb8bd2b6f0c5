"""A wire that can be cut: a TCP proxy on loopback between a program and its Redis.

It passes bytes on, later when told to; `cut` resets every connection and refuses new ones; `hang` is a
network that swallows packets: open connections stay open and silent, and what was written into them arrives
when the network is back, as the kernel's repeats would; those begun meanwhile never come about.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

_CHUNK = 65536
_START_SECONDS = 10

T = TypeVar("T")


class Proxy:
    """One listening port, one target. All calls may come from any thread."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._flows: set[asyncio.Task[None]] = set()
        self._passing = asyncio.Event()
        self._heals = 0
        self._delay = 0.0
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._thread.start()
        self._call(self._listen())
        self.heal()

    def stop(self) -> None:
        self.cut()
        self._call(self._ended())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_SECONDS)
        self._loop.close()

    def cut(self) -> None:
        """Reset all connections, and refuse new ones until `heal`."""
        self._call(self._cut())

    def hang(self) -> None:
        """Pass nothing on until `heal`."""
        self._call(self._hang())

    def heal(self) -> None:
        """Pass everything on again, at once."""
        self._call(self._heal())

    def delay(self, seconds: float) -> None:
        """From now on each piece takes so long, either way."""
        self._delay = seconds

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_SECONDS)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for flow in self._flows:
            flow.cancel()

    async def _hang(self) -> None:
        self._passing.clear()

    async def _heal(self) -> None:
        if self._server is None:
            await self._listen()
        self._heals += 1
        self._passing.set()

    async def _ended(self) -> None:
        await asyncio.gather(*self._flows, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flow = asyncio.current_task()
        assert flow is not None  # noqa: S101 - narrows the type: a handler is always a task
        self._flows.add(flow)
        writers = [writer]
        try:
            heals = self._heals
            await self._passing.wait()
            if heals != self._heals:
                return  # begun while packets were swallowed: it never came about
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            writers.append(back)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, back))
                both.create_task(self._pass(there, writer))
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass  # however one side ended, the other is reset too
        finally:
            self._flows.discard(flow)
            for open_ in writers:
                open_.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(_CHUNK):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._passing.wait()
            sink.write(data)
            await sink.drain()
        await self._passing.wait()
        raise ConnectionResetError  # ends the other way too


@contextlib.contextmanager
def between(target: int) -> Iterator[Proxy]:
    """A proxy to the port `target`, on a free port."""
    proxy = Proxy(target)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
