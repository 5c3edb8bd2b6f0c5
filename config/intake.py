"""The intake's settings: the worker's, for the accounts' tokens, and where and how it listens."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cmqueue.settings import seconds, setting, text, whole
from config.settings import WorkerSettings


def _plain_setting(name: str, default: str, read: Callable[[str], Any], doc: str) -> Any:
    """A setting whose variable has no prefix: platforms that start programs set HOST and PORT."""
    return dataclasses.field(
        default=read(default), metadata={"name": name, "default": default, "read": read, "doc": doc}
    )


@dataclass(frozen=True, kw_only=True)
class IntakeSettings(WorkerSettings):
    """What the HTTP intake reads. Raises SettingsError, naming the variable."""

    host: str = _plain_setting("HOST", "127.0.0.1", text, "The address to listen on; loopback by default.")
    port: int = _plain_setting("PORT", "8010", whole(0, 65535), "The port to listen on; 0 takes a free one.")
    intake_bytes: int = setting(
        "INTAKE_BYTES",
        str(4 << 20),
        whole(1024, 64 << 20),
        "Most bytes of one request's body; a longer one is refused with 413.",
    )
    intake_seconds: float = setting(
        "INTAKE_SECONDS",
        "10",
        seconds(0.1, 600),
        "Seconds for a request's body to arrive; a slower one is refused with 408.",
    )
