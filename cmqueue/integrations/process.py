"""One outbox for a whole process, shared by all its threads, and the settings it comes from."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, NamedTuple

from cmqueue.errors import SettingsError
from cmqueue.outbox import Outbox
from cmqueue.settings import LibrarySettings

#: The settings of the library, by their names in the environment.
NAMES = tuple(sorted(str(field.metadata["name"]) for field in fields(LibrarySettings)))


class Given(NamedTuple):
    """A setting as a framework's configuration has it: `place` is what its owner calls it."""

    place: str
    value: Any


def merged(given: Mapping[str, Given], env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment with what is given laid over it. Raises SettingsError, naming the place.

    None leaves a setting to the environment; a list is what the environment writes with commas.
    """
    texts = {name: _text(of) for name, of in given.items() if of.value is not None}
    return dict(os.environ if env is None else env) | texts


def read(given: Mapping[str, Given], env: Mapping[str, str] | None = None) -> LibrarySettings:
    """The library's settings. Raises SettingsError, naming the place of the wrong one."""
    try:
        return LibrarySettings.from_env(merged(given, env))
    except SettingsError as error:
        place = given[error.variable].place if error.variable in given else error.variable
        raise SettingsError(place, error.problem) from None


def _text(given: Given) -> str:
    value = given.value
    if isinstance(value, list | tuple) and all(isinstance(member, str) for member in value):
        return ",".join(value)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise SettingsError(given.place, f"must be text, a number or a list of texts, not {type(value).__name__}")


class ProcessOutbox:
    """Makes its outbox when it is first asked for. After a fork the child makes one of its own."""

    def __init__(self, make: Callable[[], Outbox]) -> None:
        self._make = make
        self._outbox: Outbox | None = None
        self._instead: Outbox | None = None
        self._lock = threading.Lock()
        _all.add(self)

    def get(self) -> Outbox:
        """The outbox. Raises SettingsError where it can't be made."""
        found = self._instead or self._outbox
        if found is not None:
            return found
        with self._lock:
            if self._outbox is None:
                self._outbox = self._make()
            return self._outbox

    def close(self) -> None:
        """Give the connections back; who asks again gets a new outbox."""
        with self._lock:
            outbox, self._outbox = self._outbox, None
        if outbox is not None:
            outbox.close()

    @contextmanager
    def use(self, outbox: Outbox) -> Iterator[Outbox]:
        """Give `outbox` to everybody who asks, such as a test's; whoever made it closes it."""
        before, self._instead = self._instead, outbox
        try:
            yield outbox
        finally:
            self._instead = before

    def begin_anew(self) -> None:
        """In a child after a fork: the lock may be held by a thread that is not here."""
        self._lock = threading.Lock()
        self._outbox = None


_all: weakref.WeakSet[ProcessOutbox] = weakref.WeakSet()


def _after_fork() -> None:
    for outbox in list(_all):
        outbox.begin_anew()


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_after_fork)
