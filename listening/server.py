"""uvicorn, as our programs run it: on a socket of theirs, bounded, and silent but for their own events."""

from __future__ import annotations

import socket

import uvicorn
from starlette.types import ASGIApp

from listening.wire import BoundedProtocol

IDLE_SECONDS = (
    75  #: an idle connection is kept longer than the 60 s that clients and proxies commonly keep it
)
GRACE_SECONDS = 15  #: for requests in the works when told to end


def serve(application: ASGIApp, listener: socket.socket, protocol: type[BoundedProtocol]) -> None:
    """Serve until told to end. No access log: a path or a query may hold what no log may."""
    config = uvicorn.Config(
        application,
        # On h11, which bounds how long a head is, as httptools does not.
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])
