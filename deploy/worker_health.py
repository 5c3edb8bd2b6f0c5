"""Whether the worker of this container answers: exit code 0 or 1, for the image's HEALTHCHECK.

A worker that cannot be asked because Redis is away counts as healthy: it waits, and holds the answers that it
could not write down yet. Restarting it then would heal nothing and leave those messages in doubt.
"""

from __future__ import annotations

import socket
import sys

from kombu.exceptions import OperationalError

from worker.celery import app

PATIENCE = 5.0  #: seconds; the image's HEALTHCHECK gives the whole call more


def healthy(node: str) -> bool:
    """Whether the worker called `node` answers, or nobody can ask it."""
    with app.connection_for_write() as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=PATIENCE)
            return bool(app.control.ping(destination=[node], timeout=PATIENCE, connection=connection))
        except (OperationalError, OSError):
            return True


if __name__ == "__main__":
    sys.exit(not healthy(sys.argv[1] if len(sys.argv) > 1 else f"celery@{socket.gethostname()}"))
