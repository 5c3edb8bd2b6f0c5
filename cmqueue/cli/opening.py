"""Opening the outbox that the environment describes, and what it says on the way."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cmqueue.errors import SettingsError
from cmqueue.outbox import Outbox


@contextmanager
def opened() -> Iterator[Outbox]:
    """The environment's outbox. Raises SettingsError, naming the variable."""
    speak()
    try:
        outbox = Outbox.from_env()
    except (TypeError, ValueError):
        # redis-py's words for a URL that it can't read may repeat the password in it.
        raise SettingsError("CMQUEUE_REDIS_URL", "is no URL that the Redis client can read") from None
    with outbox:
        yield outbox


class _OneLine(logging.Handler):
    """The library's warnings, each a line on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "wakeup.failed":
            queue, error = getattr(record, "queue", ""), getattr(record, "error", "")
            said = (
                f"the broker took no wake-up for lane {queue} ({error}); a worker looks by itself each second"
            )
        else:
            said = record.getMessage()
        sys.stderr.write(f"cmqueue: warning: {said}\n")


def speak() -> None:
    """Let the library's warnings through as single lines, and nobody else's."""
    logging.getLogger().addHandler(logging.NullHandler())
    logger = logging.getLogger("cmqueue")
    logger.handlers = [_OneLine(logging.WARNING)]
    logger.propagate = False
