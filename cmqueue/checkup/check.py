"""A check: one thing looked at, and what to do about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, TypeVar

from cmqueue.errors import SettingsError
from cmqueue.settings import LibrarySettings

S = TypeVar("S", bound=LibrarySettings)


class Level(StrEnum):
    """How bad it is. Only FAIL fails the checkup."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(NamedTuple):
    """One thing looked at. `where` is a place or a variable; `do` is empty where nothing is to be done.

    Nothing in it is a secret.
    """

    part: str
    name: str
    level: Level
    found: str
    where: str = ""
    do: str = ""


class Part(NamedTuple):
    """The part of an installation that checks belong to: the library, or a program."""

    name: str

    def ok(self, name: str, found: str, where: str = "") -> Check:
        return Check(self.name, name, Level.OK, found, where)

    def warn(self, name: str, found: str, where: str = "", *, do: str) -> Check:
        return Check(self.name, name, Level.WARN, found, where, do)

    def fail(self, name: str, found: str, where: str = "", *, do: str) -> Check:
        return Check(self.name, name, Level.FAIL, found, where, do)


LIBRARY = Part("library")


def settings_checks(part: Part, kind: type[S], env: Mapping[str, str]) -> tuple[S | None, list[Check]]:
    """The settings of `kind` and their check; or None, and a check for each that is wrong."""
    wrong, given = [], 0
    for field in dataclasses.fields(kind):
        name = field.metadata.get("name")
        text = env.get(name, "").strip() if name else ""
        if not text:
            continue
        given += 1
        try:
            field.metadata["read"](text)
        except ValueError as error:
            wrong.append(SettingsError(str(name), str(error)))
    settings = None
    if not wrong:
        try:
            settings = kind.from_env(env)
        except SettingsError as error:  # each is right by itself, but two disagree
            wrong.append(error)
    if settings is not None:
        return settings, [part.ok("settings", f"{given} set, the others at their defaults")]
    return None, [
        part.fail("settings", error.problem, error.variable, do=f"correct {error.variable}")
        for error in wrong
    ]
