"""`python -m producers.intake`: take CM's requests on $PORT until told to end."""

from __future__ import annotations

import socket
import sys

import structlog

from cmqueue import Outbox, SettingsError
from config.intake import IntakeSettings
from listening.listener import listening_on
from listening.server import serve
from listening.start import agree, configure_logging, end_when_told, settle
from listening.wire import bounded
from producers.intake.answer import envelope
from producers.intake.app import Intake

log = structlog.get_logger("cmqueue.intake")


def main() -> None:
    """Serve until SIGTERM or SIGINT, then end with 0; at once and with 1 where something is set wrongly."""
    end_when_told()
    try:
        settings = IntakeSettings.from_env().demand_tokens()
        configure_logging(settings)
        listener = listening_on(settings.host, settings.port)
        with Outbox(settings) as outbox:
            agree(outbox)
            _serve(settings, outbox, listener)
    except SettingsError as error:
        sys.exit(f"cmqueue intake: {error}")


def _serve(settings: IntakeSettings, outbox: Outbox, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    clients = [client.name for client in settings.clients or ()]

    def started() -> None:
        settle()
        log.info("intake.started", host=host, port=port, accounts=sorted(settings.tokens), clients=clients)

    protocol = bounded(connections=settings.intake_connections, seconds=settings.intake_seconds, say=envelope)
    try:
        serve(Intake(settings, outbox, started).application(), listener, protocol)
    finally:
        log.info("intake.stopped")


if __name__ == "__main__":
    main()
