"""The library's settings: read once from the environment into one frozen value that refuses to be wrong.

A setting is a field made by `setting`; the programs' settings (`config.settings`) extend this class, and the
reference in `docs/settings.md` is generated from both.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from redis.connection import parse_url

from cmqueue.errors import SettingsError

PREFIX = "CMQUEUE_"

DAY = 24 * 3600
DEFAULT_ACCOUNT = "default"

N = TypeVar("N", int, float)

#: In the place of a secret key: the one that was generated and is kept in Redis.
GENERATED = b"generated"


def setting(
    name: str, default: str | None, read: Callable[[str], Any], doc: str, *, secret: bool = False
) -> Any:
    """A field read from `CMQUEUE_<name>`; `read` makes the value of its text or raises ValueError.

    Typed as Any, like `dataclasses.field`, so that the class's own annotation says the type.
    """
    return dataclasses.field(
        default=None if default is None else read(default),
        repr=not secret,
        metadata={"name": PREFIX + name, "default": default, "read": read, "doc": doc},
    )


def text(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return value


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number from `low` to `high`."""
    return _between(int, low, high, f"must be a whole number from {low} to {high}")


def seconds(low: float, high: float) -> Callable[[str], float]:
    """A number of seconds from `low` to `high`."""
    return _between(float, low, high, f"must be a number of seconds from {low:g} to {high:g}")


def _between(convert: Callable[[str], N], low: N, high: N, rule: str) -> Callable[[str], N]:
    def read(value: str) -> N:
        try:
            number = convert(value)
        except ValueError:
            raise ValueError(rule) from None
        if not low <= number <= high:
            raise ValueError(rule)
        return number

    return read


def a_redis_url(value: str) -> str:
    try:
        parse_url(value)  # type: ignore[no-untyped-call]  # redis-py's
    except ValueError:
        raise ValueError("must be a redis://, rediss:// or unix:// URL, with a number as its port") from None
    return value


def secret_keys(value: str) -> tuple[bytes, ...]:
    keys = tuple(key.strip().encode() for key in value.split(","))
    if any(len(key) < 16 and key != GENERATED for key in keys):
        raise ValueError("must be keys of at least 16 characters, comma-separated, the newest first")
    return keys


@dataclass(frozen=True, kw_only=True)
class LibrarySettings:
    """What a web app that enqueues may set. It needs no product token."""

    redis_url: str = setting(
        "REDIS_URL",
        "redis://127.0.0.1:6379/0",
        a_redis_url,
        "The Redis that holds the outbox. Give it AOF persistence and `maxmemory-policy noeviction`.",
        secret=True,
    )
    broker_url: str | None = setting(
        "BROKER_URL",
        None,
        a_redis_url,
        "The Redis that carries the wake-ups; the outbox's when unset.",
        secret=True,
    )
    secret_keys: tuple[bytes, ...] | None = setting(
        "SECRET_KEY",
        None,
        secret_keys,
        "Keys the HMACs of ids and idempotency keys; generated and kept in Redis when unset. "
        "Every process must use the same. Of several the first names new messages, the others are only "
        "read; the word `generated` stands for the one kept in Redis. Rotation: docs/architecture.md.",
        secret=True,
    )
    redis_timeout: float = setting(
        "REDIS_TIMEOUT",
        "2",
        seconds(0.05, 60),
        "Seconds within which a call of the library ends, well or not.",
    )
    shards: int = setting(
        "SHARDS",
        "1",
        whole(1, 32),
        "Partitions per account. Changing it moves idempotency keys: do it while none matters.",
    )
    retention_seconds: int = setting(
        "RETENTION_SECONDS",
        str(10 * DAY),
        whole(60, 365 * DAY),
        "How long a finished message's row is kept. CM repeats receipts for 7 days.",
    )
    default_region: str | None = setting(
        "DEFAULT_REGION",
        None,
        text,
        "ISO country code, such as NL, by which national numbers are read; without it they are refused.",
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """Read `env` (the process's environment when None). Raises SettingsError, naming the variable."""
        env = os.environ if env is None else env
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            name = field.metadata.get("name")
            if name is None:
                continue
            given = env.get(name)
            if given is None or not given.strip():
                continue
            try:
                values[field.name] = field.metadata["read"](given.strip())
            except ValueError as error:
                raise SettingsError(name, str(error)) from None
        return cls(**values)

    @property
    def broker(self) -> str:
        return self.broker_url or self.redis_url

    @property
    def key_life(self) -> int:
        """Seconds that an idempotency key outlives its message's expiry."""
        return max(self.retention_seconds, DAY)
