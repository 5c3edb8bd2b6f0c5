"""Who subscribes to events: the groups that every partition's stream has, also of one that is made later."""

from __future__ import annotations

from collections.abc import Sequence

import redis

from cmqueue.connection import Scripts

#: Every group that was ever begun: one that is listed here misses nothing of a partition that is made later.
SUBSCRIBERS = "cmq:subscribers"

# Begins with a write that can't grow, after which a full Redis lets it go on (see `begin_though_full` in
# scripts/common.lua): who can't begin to read can't empty the streams either.
# KEYS: the stream, none. ARGV: group, where it begins. Returns whether it was made.
_MAKE = """
redis.call('DEL', KEYS[2])
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2], 'MKSTREAM')
if not made.err then return 1 end
if string.find(made.err, 'BUSYGROUP', 1, true) then return 0 end
return made
"""


def stream_of(partition: str) -> str:
    """The stream of the events of the partition with this code."""
    return f"cmq:{{{partition}}}:events"


def subscribed(scripts: Scripts) -> set[str]:
    """The names of all groups. Raises OutboxUnavailable."""
    client = scripts.client
    return {group.decode() for group in scripts.guarded(lambda: client.smembers(SUBSCRIBERS))}


def begin_in(scripts: Scripts, partition: str) -> None:
    """Let all subscribers hear of a partition from its first message on. Raises OutboxUnavailable."""
    client = scripts.client
    groups = subscribed(scripts)
    if groups:
        scripts.guarded(lambda: make(client, [partition], sorted(groups), "0"))


def make(
    client: redis.Redis, partitions: Sequence[str], groups: Sequence[str | bytes], begin: str
) -> set[str]:
    """Make the groups that are not there yet, and the streams with them; `begin` is "0" or "$".

    Returns the partitions in which any was made.
    """
    pipe = client.pipeline(transaction=False)
    wanted = [(code, group) for code in partitions for group in groups]
    for code, group in wanted:
        pipe.eval(_MAKE, 2, stream_of(code), f"cmq:{{{code}}}:nothing", group, begin)
    return {code for (code, _), made in zip(wanted, pipe.execute(), strict=True) if made}
