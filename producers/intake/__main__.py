"""`python -m producers.intake`: take CM's requests on $PORT until told to end."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
from importlib import import_module
from types import FrameType

import structlog
import uvicorn

from cmqueue import Outbox, OutboxUnavailable, SettingsError
from config.intake import IntakeSettings
from config.logging import configure
from producers.intake.app import Intake
from producers.intake.wire import bounded

IDLE_SECONDS = (
    75  #: an idle connection is kept longer than the 60 s that clients and proxies commonly keep it
)
GRACE_SECONDS = 15  #: for requests in the works when told to end

log = structlog.get_logger("cmqueue.intake")


def main() -> None:
    """Serve until SIGTERM or SIGINT, then end with 0; at once and with 1 where something is set wrongly."""
    # uvicorn repeats the signal to whoever handled it before, once it has closed in order.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        settings = IntakeSettings.from_env().demand_tokens()
        configure(level=settings.log_level, console=settings.console)
        # Its own lines are sentences, and ours say the same as events.
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        listener = _listener(settings.host, settings.port)
        with Outbox(settings) as outbox:
            _agree(outbox)
            _serve(settings, outbox, listener)
    except SettingsError as error:
        sys.exit(f"cmqueue intake: {error}")


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _listener(host: str, port: int) -> socket.socket:
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


def _agree(outbox: Outbox) -> None:
    """Refuse to start with another key than the messages in Redis have. An absent Redis may come yet."""
    try:
        outbox.registry.agree()
    except OutboxUnavailable as error:
        log.warning("redis.unreachable", problem=error.problem)


def _settle() -> None:
    """Import what the first wake-up would, and keep the garbage collector from looking at all of it again."""
    for name in ("celery.app.base", "kombu.transport.redis"):
        import_module(name)
    gc.collect()
    gc.freeze()


def _serve(settings: IntakeSettings, outbox: Outbox, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]

    clients = [client.name for client in settings.clients or ()]

    def started() -> None:
        _settle()
        log.info("intake.started", host=host, port=port, accounts=sorted(settings.tokens), clients=clients)

    config = uvicorn.Config(
        Intake(settings, outbox, started).application(),
        # On h11, which bounds how long a head is, as httptools does not.
        http=bounded(connections=settings.intake_connections, seconds=settings.intake_seconds),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        log.info("intake.stopped")


if __name__ == "__main__":
    main()
