"""Whether the worker of this container does its work: exit code 0 or 1, for the image's HEALTHCHECK.

It must answer, and no lane with a backlog may have stood unclaimed for a minute or two leases. A worker that
cannot be asked because Redis is away counts as healthy: it waits, and holds the answers that it could not
write down yet. Restarting it then would heal nothing and leave those messages in doubt.
"""

from __future__ import annotations

import socket
import sys

from kombu.exceptions import OperationalError

from cmqueue import Lane, Outbox, OutboxUnavailable
from worker.celery import app, settings
from worker.liveness import Liveness

PATIENCE = 5.0  #: seconds; the image's HEALTHCHECK gives the whole call more


def answers(node: str) -> bool:
    """Whether the worker called `node` answers, or nobody can ask it."""
    with app.connection_for_write() as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=PATIENCE)
            return bool(app.control.ping(destination=[node], timeout=PATIENCE, connection=connection))
        except (OperationalError, OSError):
            return True


def neglected(outbox: Outbox, patience: float) -> list[str]:
    """Lanes, as `account/lane`, whose backlog nobody claims from."""
    return [
        f"{account}/{lane}"
        for account, partition in outbox.registry.known().values()
        if account in settings.tokens
        for lane in partition.neglected(list(Lane), patience)
    ]


def healthy(node: str) -> bool:
    """Whether the worker called `node` answers and no lane of its accounts is neglected."""
    if not answers(node):
        sys.stderr.write("the worker does not answer\n")
        return False
    try:
        with Outbox(settings) as outbox:
            found = neglected(outbox, Liveness(settings.lease_seconds).patience)
    except OutboxUnavailable:
        return True
    if found:
        sys.stderr.write(f"nobody claims from {', '.join(found)}\n")
    return not found


if __name__ == "__main__":
    sys.exit(not healthy(sys.argv[1] if len(sys.argv) > 1 else f"celery@{socket.gethostname()}"))
