"""The socket that a program listens on."""

from __future__ import annotations

import socket

from cmqueue import SettingsError


def listening_on(host: str, port: int) -> socket.socket:
    """A bound socket. Raises SettingsError, naming HOST or PORT."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address, family=family)
    except OSError as error:
        wrong = "HOST" if isinstance(error, socket.gaierror) else "PORT"
        raise SettingsError(wrong, f"cannot listen on {host}, port {port} ({error.strerror})") from None
    # Connections inherit it. asyncio sets it only on sockets that name their protocol, which these don't; and
    # without it an answer in two writes waits 40 ms for the peer to confirm the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
