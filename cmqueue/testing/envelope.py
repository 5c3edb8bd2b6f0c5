"""An envelope: one enqueued message as a test looks at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cmqueue.lane import Guarantee, Lane
from cmqueue.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What was enqueued, and where it stood when it was looked at.

    `to` is in CM's form, `0031600000001`; `content` is CM's `msg` without recipient, reference and validity.
    Its repr shows neither: the output of a failed test ends in logs.
    """

    id: str
    reference: str
    account: str
    lane: Lane
    guarantee: Guarantee
    state: State
    to: str = field(repr=False)
    content: dict[str, Any] = field(repr=False)
    send_at: datetime | None  #: None where it was due at once
    expires_at: datetime
    client_reference: str | None
    campaign: str | None
    metadata: dict[str, Any] | None = field(repr=False)

    @property
    def sender(self) -> str:
        sender: str = self.content["from"]
        return sender

    @property
    def text(self) -> str:
        """The text; empty where there is rich content alone."""
        text: str = self.content["body"]["content"]
        return text

    @property
    def rich_content(self) -> dict[str, Any] | None:
        return self.content.get("richContent")
