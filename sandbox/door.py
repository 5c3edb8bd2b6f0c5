"""The listening socket, which can be shut for a while so that connecting is refused."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from sandbox.wire import Connection

_BACKLOG = 1024


class Door:
    """Lets connections in at one address.

    A second socket, bound but never listening, keeps the port ours while the door is shut.
    """

    def __init__(self, host: str, port: int, connection: Callable[[], Connection]) -> None:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self._family = family
        self._connection = connection
        self._holder = self._bound(address)
        self._address = self._holder.getsockname()
        self._server: asyncio.Server | None = None
        self._reopening: asyncio.TimerHandle | None = None
        self._opening: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        host, port = self._address[:2]
        return f"http://[{host}]:{port}" if self._family == socket.AF_INET6 else f"http://{host}:{port}"

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._connection, sock=self._bound(self._address), backlog=_BACKLOG
        )

    def shut(self) -> None:
        """From now on connecting is refused."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def shut_until(self, when: float) -> None:
        """Shut the door until `when` on the loop's clock, or until a later time asked for before."""
        self.shut()
        if self._reopening is not None and not self._reopening.cancelled():
            when = max(when, self._reopening.when())
            self._reopening.cancel()
        self._reopening = asyncio.get_running_loop().call_at(when, self._reopen)

    def _reopen(self) -> None:
        self._reopening = None
        self._opening = asyncio.get_running_loop().create_task(self.open())

    def _bound(self, address: tuple[Any, ...]) -> socket.socket:
        bound = socket.socket(self._family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setblocking(False)
        bound.bind(address)
        return bound
