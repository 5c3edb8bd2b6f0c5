"""Who listens to events: the list of groups that were begun, and their places in a partition's stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cmqueue.connection import Scripts
from cmqueue.errors import OutboxUnavailable
from cmqueue.log import log
from cmqueue.trimming import stream_of

#: Every group that was ever begun: one that is listed here misses nothing of a partition that is made later.
SUBSCRIBERS = "cmq:subscribers"


def make_groups(scripts: Scripts, places: Iterable[tuple[str, str]], begin: str) -> None:
    """Make groups that are not there yet, each (partition, group), from the entry `begin` on: `0` or `$`."""

    def make() -> None:
        pipe: Any = scripts.client.pipeline(transaction=False)
        for code, group in places:
            pipe.xgroup_create(stream_of(code), group, id=begin, mkstream=True)
        for result in pipe.execute(raise_on_error=False):
            if isinstance(result, Exception) and not str(result).startswith("BUSYGROUP"):
                raise result

    places = list(places)
    if places:
        scripts.guarded(make)


def listen(scripts: Scripts, code: str) -> None:
    """Let all subscribers hear of a partition from its first event on, also those that are away.

    Raises nothing: those that are there look for new partitions each second.
    """
    try:
        names = scripts.guarded(lambda: scripts.client.smembers(SUBSCRIBERS))
        make_groups(scripts, [(code, name.decode()) for name in names], "0")
    except OutboxUnavailable as error:
        log.warning("subscribers.unprepared", partition=code, problem=error.problem)
