"""What an app is told: a handler that counts in the demo's Redis what a worker calls it with."""

from __future__ import annotations

import os

import redis

from cmqueue import on
from cmqueue.events.event import Event

HEARD = "demo:heard"


@on("message.failed", "message.suppressed", "optout.received")
def hear(event: Event) -> None:
    """An app would write to its customer here; events that come twice have the same id."""
    with redis.Redis.from_url(os.environ["CMQUEUE_REDIS_URL"]) as client:
        client.sadd(f"{HEARD}:{event.type}", event.id)


def heard(client: redis.Redis) -> dict[str, int]:
    """How many events of each type it was told."""
    types = ("message.failed", "message.suppressed", "optout.received")
    return {type: int(client.scard(f"{HEARD}:{type}")) for type in types}
