"""One stream of structured lines on standard output: ours, Celery's and every library's alike."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from structlog.typing import Processor

FORMAT_VERSION = 1

#: Chatty per wake-up, and ours already say more.
_QUIET = (
    "celery.app.trace",
    "celery.worker.strategy",
    "celery.redirected",
    "urllib3",
    "kombu",
    "amqp",
    "asyncio",
)


def _versioned(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    event["v"] = FORMAT_VERSION
    return event


def configure(*, level: str, console: bool) -> None:
    """Send every log line, structlog's and the standard library's, to standard output."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _versioned,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    # A traceback's text may hold values of ours: frames are kept, locals and messages are not.
    final: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _bare_traceback]
    if console:
        final += [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]
    else:
        final += [structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()], processors=final
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _bare_traceback(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """An exception as its class and the lines it passed, without its message."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, BaseException):
        error = (type(error), error, error.__traceback__)
    if error and error[0] is not None:
        event["exception"] = error[0].__name__
        event["frames"] = _frames(error[2])
    return event


def _frames(trace: Any) -> list[str]:
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return frames[-12:]
