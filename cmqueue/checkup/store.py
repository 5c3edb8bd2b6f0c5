"""The checks of what the queue stands on: Redis, what it keeps, the key, and the broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from cmqueue.checkup.check import LIBRARY, Check
from cmqueue.checkup.secret import secret_checks
from cmqueue.errors import OutboxUnavailable
from cmqueue.outbox import Outbox
from cmqueue.settings import LibrarySettings

OLDEST_REDIS = (6, 2)
SLOW = 0.05  #: seconds that Redis may take for a PING
NEARLY_FULL = 0.8  #: of maxmemory

_DURABILITY = {
    "always": "always: nothing acknowledged is lost",
    "everysec": "everysec: a power loss may take the last second",
}


def store_checks(outbox: Outbox) -> Iterator[Check]:
    """What there is to know of the Redis of `outbox`. Raises OutboxUnavailable."""
    where = place(outbox.settings.redis_url)
    client, guarded = outbox.scripts.client, outbox.scripts.guarded
    latency = min(_seconds(lambda: guarded(client.ping)) for _ in range(3))
    about: dict[str, Any] = guarded(client.info)
    yield _reachable(about, latency, where)
    yield _persistence(about, outbox, where)
    yield from _memory(about, where)
    yield from secret_checks(outbox)
    yield _broker(outbox.settings)


def place(url: str) -> str:
    """Where `url` leads, without what it says of user and password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 6379
    except ValueError:
        return ""
    return parts.path if parts.scheme == "unix" else f"{host}:{port}{parts.path}"


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _reachable(about: dict[str, Any], latency: float, where: str) -> Check:
    flavour, version = "Redis", str(about.get("redis_version", "?"))
    for other in ("valkey", "dragonfly"):
        if f"{other}_version" in about:
            flavour, version = other.capitalize(), str(about[f"{other}_version"])
    said = f"{flavour} {version} answers in {latency * 1000:.1f} ms"
    if about.get("role") in ("slave", "replica"):
        said += ", and is a replica that takes no writes"
        return LIBRARY.fail("redis", said, where, do="let CMQUEUE_REDIS_URL name the primary")
    if flavour == "Redis" and _numbers(version) < OLDEST_REDIS:
        return LIBRARY.fail("redis", said, where, do="use Redis 6.2 or newer, or Valkey")
    if latency > SLOW:
        return LIBRARY.warn("redis", said, where, do="put the worker and the web app nearer to it")
    return LIBRARY.ok("redis", said, where)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _persistence(about: dict[str, Any], outbox: Outbox, where: str) -> Check:
    """Whether what Redis has acknowledged stays."""
    if not about.get("aof_enabled"):
        return LIBRARY.warn(
            "persistence",
            "AOF is off: should Redis end, what came since its last snapshot is lost, and what was sent "
            "since then is sent again",
            where,
            do="set appendonly yes",
        )
    if about.get("aof_last_write_status", "ok") != "ok":
        return LIBRARY.fail(
            "persistence", "Redis can't write its AOF, and refuses writes", where, do="look for a full disk"
        )
    sync = _setting(outbox, "appendfsync")
    if sync == "no":
        return LIBRARY.warn(
            "persistence",
            "AOF is on, appendfsync no: a power loss may take half a minute",
            where,
            do="set appendfsync everysec or always",
        )
    return LIBRARY.ok("persistence", f"AOF is on, appendfsync {_DURABILITY.get(sync, 'not told')}", where)


def _memory(about: dict[str, Any], where: str) -> Iterator[Check]:
    policy = str(about.get("maxmemory_policy", "not told"))
    if policy in ("noeviction", "not told"):
        yield LIBRARY.ok("eviction", f"maxmemory-policy {policy}", where)
    else:
        yield LIBRARY.fail(
            "eviction",
            f"maxmemory-policy {policy}: when memory is short, Redis deletes messages",
            where,
            do="set maxmemory-policy noeviction; the worker refuses to start otherwise",
        )
    used, most = int(about.get("used_memory", 0)), int(about.get("maxmemory", 0))
    if most and used > most * NEARLY_FULL:
        yield LIBRARY.warn(
            "memory",
            f"{used / most:.0%} of maxmemory is used; at 100% nothing more can be queued",
            where,
            do="raise maxmemory",
        )


def _setting(outbox: Outbox, name: str) -> str:
    """A setting of Redis; empty where it does not tell, as managed ones don't."""
    client = outbox.scripts.client
    try:
        found: dict[str, Any] = outbox.scripts.guarded(lambda: client.config_get(name))
    except OutboxUnavailable:
        return ""
    return str(found.get(name, ""))


def _broker(settings: LibrarySettings) -> Check:
    where = place(settings.broker)
    if settings.broker == settings.redis_url:
        return LIBRARY.ok("broker", "the same Redis", where)
    problem = _ping(settings)
    if problem is None:
        return LIBRARY.ok("broker", "answers", where)
    return LIBRARY.warn(
        "broker",
        f"{problem}. Messages go all the same, up to 3 s later: the workers look by themselves",
        where,
        do="start that Redis, or correct CMQUEUE_BROKER_URL",
    )


def _ping(settings: LibrarySettings) -> str | None:
    """Why the broker does not answer; None where it does."""
    try:
        alone = LibrarySettings(redis_url=settings.broker, redis_timeout=settings.redis_timeout)
        with Outbox(alone) as broker:
            broker.scripts.guarded(broker.scripts.client.ping)
    except (TypeError, ValueError):
        return "the URL can't be read"
    except OutboxUnavailable as error:
        return error.problem
    return None
