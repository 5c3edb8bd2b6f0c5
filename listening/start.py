"""What a program that listens does before it serves."""

from __future__ import annotations

import gc
import logging
import signal
import sys
from importlib import import_module
from types import FrameType

import structlog

from cmqueue import Outbox, OutboxUnavailable
from config.logging import configure
from config.program import ProgramSettings

log = structlog.get_logger("cmqueue.listening")


def end_when_told() -> None:
    """Let SIGTERM and SIGINT end the process with 0, also before it serves."""
    # uvicorn repeats the signal to whoever handled it before, once it has closed in order.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def configure_logging(settings: ProgramSettings) -> None:
    """One stream of events; uvicorn's own lines are sentences, and ours say the same."""
    configure(level=settings.log_level, console=settings.console)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def agree(outbox: Outbox) -> None:
    """Refuse to start with another key than the messages in Redis have. An absent Redis may come yet."""
    try:
        outbox.registry.agree()
    except OutboxUnavailable as error:
        log.warning("redis.unreachable", problem=error.problem)


def settle() -> None:
    """Import what the first wake-up would, and keep the garbage collector from looking at all of it again."""
    for name in ("celery.app.base", "kombu.transport.redis"):
        import_module(name)
    gc.collect()
    gc.freeze()
