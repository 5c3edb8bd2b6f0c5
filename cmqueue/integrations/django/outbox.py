"""The outbox of a Django process, by Django's settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from cmqueue.errors import SettingsError
from cmqueue.integrations.process import NAMES, Given, ProcessOutbox, merged, read
from cmqueue.outbox import Outbox
from cmqueue.settings import PREFIX, LibrarySettings

TABLE = "CMQUEUE"


class WrongSetting(SettingsError, ImproperlyConfigured):  # type: ignore[misc]  # Django ships no types
    """A setting of Django's, or a variable of the environment, is wrong. `variable` names it."""


def given() -> dict[str, Given]:
    """What Django's settings say, by the names of the environment; `CMQUEUE` goes before `CMQUEUE_…`.

    Raises WrongSetting for a member of `CMQUEUE` that is none.
    """
    found = {name: Given(name, getattr(settings, name)) for name in NAMES if hasattr(settings, name)}
    table = getattr(settings, TABLE, {})
    if not isinstance(table, Mapping):
        raise WrongSetting(TABLE, "must be a dict of settings")
    for key, value in table.items():
        place, name = f"{TABLE}[{str(key)[:32]!r}]", f"{PREFIX}{key}"
        if name not in NAMES:
            known = ", ".join(name.removeprefix(PREFIX) for name in NAMES)
            raise WrongSetting(place, f"is no setting of the library; they are {known}")
        found[name] = Given(place, value)
    return found


def library_settings() -> LibrarySettings:
    """The library's settings. Raises WrongSetting."""
    try:
        return read(given())
    except SettingsError as error:
        raise WrongSetting(error.variable, error.problem) from None


def environment() -> dict[str, str]:
    """The environment of a program that is to have Django's settings. Raises WrongSetting."""
    try:
        return merged(given())
    except SettingsError as error:
        raise WrongSetting(error.variable, error.problem) from None


_process = ProcessOutbox(lambda: Outbox(library_settings()))


def get_outbox() -> Outbox:
    """The process's outbox, for all its threads; made at the first call. Raises WrongSetting."""
    return _process.get()


@contextmanager
def use(outbox: Outbox) -> Iterator[Outbox]:
    """Put `outbox` in the place of the process's: a MemoryOutbox, in tests."""
    with _process.use(outbox):
        yield outbox


def forget(*, setting: str, **_: Any) -> None:
    """A setting has changed, in a test: the next call makes an outbox by the new one."""
    if setting == TABLE or setting.startswith(PREFIX):
        _process.close()
