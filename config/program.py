"""What every program reads beside the library's settings."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cmqueue.settings import LibrarySettings, setting


def plain_setting(name: str, default: str, read: Callable[[str], Any], doc: str) -> Any:
    """A setting whose variable has no prefix: platforms that start programs set HOST and PORT."""
    return dataclasses.field(
        default=read(default), metadata={"name": name, "default": default, "read": read, "doc": doc}
    )


def one_of(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value.lower()

    return read


@dataclass(frozen=True, kw_only=True)
class ProgramSettings(LibrarySettings):
    """What every program reads beside those. Raises SettingsError, naming the variable."""

    log_format: str | None = setting(
        "LOG_FORMAT",
        None,
        one_of("json", "console"),
        "`json` or `console`; json unless standard output is a terminal.",
    )
    log_level: str = setting(
        "LOG_LEVEL",
        "info",
        one_of("debug", "info", "warning", "error"),
        "debug, info, warning or error; `error` leaves out `message.ambiguous`.",
    )

    @property
    def console(self) -> bool:
        """Whether log lines are for a person's eyes."""
        return (self.log_format or ("console" if sys.stdout.isatty() else "json")) == "console"
