"""The checkup: what is wrong with an installation, and what to do about it.

The library looks at its settings, Redis, the key, the broker, and whether the queue moves; it only reads. A
program adds what it needs by an entry point of the group `cmqueue.doctor`: a callable that takes the
environment and gives checks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata

from cmqueue.checkup.check import LIBRARY, Check, Level, Part, settings_checks
from cmqueue.checkup.movement import movement_checks
from cmqueue.checkup.store import place, store_checks
from cmqueue.errors import OutboxUnavailable
from cmqueue.outbox import Outbox
from cmqueue.settings import LibrarySettings

__all__ = ["Check", "Level", "Part", "checkup", "settings_checks"]

GROUP = "cmqueue.doctor"
#: The programs of this release, and what stays unchecked where one is absent.
PROGRAMS = {"worker": "its settings, product token and CM's endpoint were not checked"}

Checker = Callable[[Mapping[str, str]], Iterable[Check]]


def checkup(env: Mapping[str, str] | None = None) -> Iterator[Check]:
    """All checks of the library and of the programs that are installed, one after the other."""
    env = os.environ if env is None else env
    settings, checks = settings_checks(LIBRARY, LibrarySettings, env)
    yield from checks
    if settings is not None:
        yield from _queue_checks(settings)
    yield from _program_checks(env)


def _queue_checks(settings: LibrarySettings) -> Iterator[Check]:
    try:
        outbox = Outbox(settings)
    except (TypeError, ValueError):  # redis-py's words may repeat the password in the URL
        yield LIBRARY.fail(
            "redis", "the URL can't be read", "CMQUEUE_REDIS_URL", do="write redis://HOST:PORT/DATABASE"
        )
        return
    with outbox:
        try:
            yield from store_checks(outbox)
            yield from movement_checks(outbox)
        except OutboxUnavailable as error:
            where = place(settings.redis_url)
            yield LIBRARY.fail(
                "redis", error.problem, where, do="start that Redis, or correct CMQUEUE_REDIS_URL"
            )


def _program_checks(env: Mapping[str, str]) -> Iterator[Check]:
    """What the installed programs check, and a line for each that is absent."""
    found = {point.name: point for point in metadata.entry_points(group=GROUP)}
    for name in sorted(PROGRAMS.keys() | found.keys()):
        unchecked = PROGRAMS.get(name, "it was not checked")
        if name not in found:
            yield Part(name).ok(
                "installed", f"the {name} is not installed here, as a web app needs none: {unchecked}"
            )
            continue
        try:
            checker: Checker = found[name].load()
        except (ImportError, AttributeError) as error:
            missing = getattr(error, "name", None) or type(error).__name__
            yield Part(name).warn(
                "installed",
                f"the {name} can't be loaded, for want of {missing}: {unchecked}",
                found[name].value,
                do="run `make setup` in the checkout",
            )
            continue
        yield from checker(env)
