"""What was told, and with which request it came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Arrived(Generic[T]):
    """One thing told. `at` is when it came, in seconds since 1970; `account` is of its URL, or empty.

    `again` says that it may have been worked on before, by a process that did not come to the end of it.
    """

    told: T
    at: float
    account: str = ""
    again: bool = False
