"""The socket that the intake listens on."""

from __future__ import annotations

import socket

from listening.listener import listening_on


def test_no_answer_waits_for_the_peer_to_confirm_its_first_half() -> None:
    """A connection sends at once what is written: Nagle's algorithm would cost 40 ms an answer."""
    with (
        listening_on("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname(), timeout=10),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
