"""`python -m receivers.webhooks`: take what CM's webhooks bring on $PORT until told to end."""

from __future__ import annotations

import socket
import sys

import structlog

from cmqueue import Outbox, SettingsError
from config.receiver import ReceiverSettings
from listening.listener import listening_on
from listening.server import serve
from listening.start import agree, configure_logging, end_when_told, settle
from listening.wire import bounded
from receivers.webhooks.app import Receiver

log = structlog.get_logger("cmqueue.receiver")


def main() -> None:
    """Serve until SIGTERM or SIGINT, then end with 0; at once and with 1 where something is set wrongly."""
    end_when_told()
    try:
        settings = ReceiverSettings.from_env().demand_secret()
        configure_logging(settings)
        listener = listening_on(settings.host, settings.port)
        with Outbox(settings) as outbox:
            agree(outbox)
            _serve(settings, outbox, listener)
    except SettingsError as error:
        sys.exit(f"cmqueue receiver: {error}")


def _serve(settings: ReceiverSettings, outbox: Outbox, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]

    def started() -> None:
        settle()
        log.info(
            "receiver.started",
            host=host,
            port=port,
            secrets=len(settings.receiver_secrets or ()),
            sources=None if settings.receiver_sources is None else len(settings.receiver_sources),
            proxies=settings.receiver_proxies,
            basic=settings.receiver_basic is not None,
        )

    protocol = bounded(connections=settings.receiver_connections, seconds=settings.receiver_seconds)
    try:
        serve(Receiver(settings, outbox, started).application(), listener, protocol)
    finally:
        log.info("receiver.stopped")


if __name__ == "__main__":
    main()
