"""The settings' reference: `python -m config.reference` writes docs/settings.md from the classes."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

from cmqueue.settings import LibrarySettings
from config.errands import ErrandSettings
from config.intake import IntakeSettings
from config.program import ProgramSettings
from config.receiver import ReceiverSettings
from config.settings import WorkerSettings

#: Every class of settings; each table has what its class adds to the one it extends.
KINDS: tuple[type[LibrarySettings], ...] = (
    LibrarySettings,
    ProgramSettings,
    WorkerSettings,
    ErrandSettings,
    IntakeSettings,
    ReceiverSettings,
)
PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"

_HEAD = """\
# Settings

<!-- Generated from the settings classes by `make docs`; edit them instead. -->

Every setting is an environment variable. Each process reads them once, at its start, into one frozen value,
and refuses to start on a wrong one with a line that names the variable. Those marked *secret* are shown by no
log line, error or repr. An empty variable counts as unset. Times are in seconds.

A web app that enqueues needs the first table alone: it never holds a product token. Every program reads the
first two. Beside them the worker reads its own table and that of its errands, the intake the worker's and its
own, and the receiver its own: it needs no product token either.
"""


def page() -> str:
    """The whole page, in Markdown: a table for each class of settings, with the variables that it adds."""
    sections = [_HEAD]
    for kind in KINDS:
        rows = [_row(field) for field in _own_fields(kind)]
        sections.append(
            f"## {_title(kind)}\n\n{_summary(kind)}\n\n"
            "| variable | default | must be | what it does |\n| --- | --- | --- | --- |\n"
            + "\n".join(rows)
            + "\n"
        )
    return "\n".join(sections)


def variables() -> dict[str, type[LibrarySettings]]:
    """Every variable there is, and the class that adds it; HOST and PORT, which several add, the last."""
    return {field.metadata["name"]: kind for kind in KINDS for field in _own_fields(kind)}


def _own_fields(kind: type[LibrarySettings]) -> list[dataclasses.Field[object]]:
    """The settings that `kind` adds to the class it extends."""
    inherited = {
        field.name
        for base in kind.__bases__
        if dataclasses.is_dataclass(base)
        for field in dataclasses.fields(base)
    }
    return [
        field
        for field in dataclasses.fields(kind)
        if "name" in field.metadata and field.name not in inherited
    ]


def _title(kind: type[LibrarySettings]) -> str:
    return f"The {kind.__name__.removesuffix('Settings').lower()}"


def _summary(kind: type[LibrarySettings]) -> str:
    """The first sentence of the class's docstring."""
    return " ".join((inspect.getdoc(kind) or "").split()).partition(". ")[0].removesuffix(".") + "."


def _row(field: dataclasses.Field[object]) -> str:
    told = field.metadata
    default = "none" if told["default"] is None else f"`{told['default']}`"
    secret = "" if field.repr else " *Secret.*"
    return f"| `{told['name']}` | {default} | {_rule(field)} | {told['doc']}{secret} |"


def _rule(field: dataclasses.Field[object]) -> str:
    """What the setting's own reader says when it is given nonsense; each rule is written in one place."""
    try:
        field.metadata["read"]("\0")
    except ValueError as error:
        return str(error).removeprefix("must be ")
    return "text"


if __name__ == "__main__":
    PAGE.write_text(page())
