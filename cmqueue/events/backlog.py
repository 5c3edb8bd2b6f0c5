"""Who is behind: which groups of subscribers have something to read. A cheap look at Redis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cmqueue.events.calls import readiness
from cmqueue.events.subscribers import stream_of
from cmqueue.events.subscription import TAKE_OVER_SECONDS
from cmqueue.events.trimming import Place

if TYPE_CHECKING:
    from cmqueue.outbox import Outbox


def behind(outbox: Outbox, groups: Iterable[str]) -> set[str]:
    """Those of `groups` that have entries which nobody was given or whose reader is lost.

    Raises OutboxUnavailable.
    """
    wanted = set(groups)
    codes = sorted(outbox.registry.known()) if wanted else []
    client = outbox.scripts.client

    def ask() -> Any:
        pipe = client.pipeline(transaction=False)
        for code in codes:
            pipe.xinfo_groups(stream_of(code))
            pipe.xrevrange(stream_of(code), count=1)
        return pipe.execute(raise_on_error=False)

    told = outbox.scripts.guarded(ask) if codes else []
    found: set[str] = set()
    held: list[tuple[str, str]] = []
    for code, standing, last in zip(codes, told[::2], told[1::2], strict=True):
        if isinstance(standing, Exception) or isinstance(last, Exception) or not last:
            continue  # nobody has subscribed there
        newest = Place.parse(last[0][0].decode())
        for group in standing:
            name = group["name"].decode()
            if name not in wanted:
                continue
            if Place.parse(group["last-delivered-id"].decode()) < newest:
                found.add(name)
            elif group["pending"]:
                held.append((code, name))
    return found | _abandoned(outbox, held)


def ready(outbox: Outbox, targets: Sequence[str]) -> list[str]:
    """Those of `targets` that are not held and have a call that is due, or something to read."""
    standing = readiness(outbox, targets)
    free = [target for target in targets if not standing[target].held]
    unread = behind(outbox, [target for target in free if not standing[target].due])
    return [target for target in free if standing[target].due or target in unread]


def _abandoned(outbox: Outbox, held: list[tuple[str, str]]) -> set[str]:
    """Groups of which a reader took something, and was not heard of since."""
    client = outbox.scripts.client

    def ask() -> Any:
        pipe = client.pipeline(transaction=False)
        for code, name in held:
            pipe.xpending_range(stream_of(code), name, "-", "+", 1, idle=round(TAKE_OVER_SECONDS * 1000))
        return pipe.execute(raise_on_error=False)

    told = outbox.scripts.guarded(ask) if held else []
    return {
        name
        for (_, name), first in zip(held, told, strict=True)
        if first and not isinstance(first, Exception)
    }
