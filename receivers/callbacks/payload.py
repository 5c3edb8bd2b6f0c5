"""What an endpoint is sent: an event's body, and the headers that sign it by Standard Webhooks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from cmqueue.events.event import Event
from cmqueue.standard_error import standard_error
from cmqueue.state import Reason


def body(event: Event) -> bytes:
    """`{"type", "timestamp", "data"}` as the specification has it; the same at each try.

    A number stands only in the data of what people send.
    """
    data: dict[str, Any] = {
        "id": event.message,
        "reference": event.reference,
        "state": event.state,
        "lane": event.lane,
        "reason": event.reason,
        "code": event.code or None,
        "error": error(event),
        "account": event.account,
        "client_reference": event.client_reference,
        "campaign": event.campaign,
        "metadata": event.metadata,
    }
    at = datetime.fromtimestamp(event.at, UTC).isoformat().replace("+00:00", "Z")
    told = {"type": event.type, "timestamp": at, "data": data | dict(event.data)}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def error(event: Event) -> str | None:
    """What CM's standard error means, where a receipt told one."""
    known = standard_error(event.code) if event.reason == Reason.RECEIPT.text else None
    return None if known is None else known.meaning


def headers(id: str, secrets: Sequence[str], content: bytes, now: float) -> dict[str, str]:
    """The specification's three headers; a signature for each secret."""
    text, at = content.decode(), datetime.fromtimestamp(int(now), UTC)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(Webhook(secret).sign(id, at, text) for secret in secrets),
    }
