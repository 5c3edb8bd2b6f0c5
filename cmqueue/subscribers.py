"""Who subscribes to events: the groups that every partition's stream has, also of one that is made later."""

from __future__ import annotations

from collections.abc import Sequence

import redis

from cmqueue.connection import Scripts

#: Every group that was ever begun: one that is listed here misses nothing of a partition that is made later.
SUBSCRIBERS = "cmq:subscribers"


def stream_of(partition: str) -> str:
    """The stream of the events of the partition with this code."""
    return f"cmq:{{{partition}}}:events"


def begin_in(scripts: Scripts, partition: str) -> None:
    """Let all subscribers hear of a partition from its first message on. Raises OutboxUnavailable."""
    client = scripts.client
    groups = scripts.guarded(lambda: client.smembers(SUBSCRIBERS))
    if groups:
        scripts.guarded(lambda: make(client, [partition], sorted(groups), "0"))


def make(client: redis.Redis, partitions: Sequence[str], groups: Sequence[str | bytes], begin: str) -> None:
    """Make the groups that are not there yet, and the streams with them; `begin` is "0" or "$"."""
    pipe = client.pipeline(transaction=False)
    for code in partitions:
        for group in groups:
            pipe.xgroup_create(stream_of(code), group, id=begin, mkstream=True)
    for result in pipe.execute(raise_on_error=False):
        if isinstance(result, Exception) and not str(result).startswith("BUSYGROUP"):
            raise result
