"""What an endpoint is sent, and how it is signed."""

from __future__ import annotations

import json
import time

import pytest
from callback_endpoint import OTHER_SECRET, SECRET
from standardwebhooks import Webhook, WebhookVerificationError

from cmqueue import Event, Lane, State
from receivers.callbacks import payload

EVENT = Event(
    id="evt_AA1700000000000-0_3",
    type="message.failed",
    at=1700000000,
    account="default",
    message="AA3KEKXH2TQ5C7D4WJ3N6RZPYA",
    reference="AA3KEKAJE2CL6Y6M",
    state=State.FAILED,
    reason="receipt",
    code=23,
    lane=Lane.NORMAL,
    client_reference="order-7",
    campaign="sale",
    metadata={"shop": 1},
)


def test_the_body() -> None:
    """Type, time and data; with what the caller gave, without any number."""
    told = json.loads(payload.body(EVENT))

    assert {"type", "timestamp", "data"} == told.keys()
    assert ("message.failed", "2023-11-14T22:13:20Z") == (told["type"], told["timestamp"])
    expected = {
        "id": "AA3KEKXH2TQ5C7D4WJ3N6RZPYA",
        "reference": "AA3KEKAJE2CL6Y6M",
        "state": "failed",
        "lane": "normal",
        "reason": "receipt",
        "code": 23,
        "error": "the number is wrong, barred for good or blacklisted",
        "account": "default",
        "client_reference": "order-7",
        "campaign": "sale",
        "metadata": {"shop": 1},
    }
    assert expected == told["data"]


def test_what_people_send_comes_whole() -> None:
    """The data of an inbound event is in the body's."""
    event = Event(
        id="evt_AA1-0_0", type="inbound.received", at=1.0, account="default", data={"text": "Zoë 🎉"}
    )

    assert "Zoë 🎉" == json.loads(payload.body(event))["data"]["text"]


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
def test_either_secret_verifies(secret: str) -> None:
    """While a secret changes, each of the two is enough; the specification's own library says so."""
    body = payload.body(EVENT)
    headers = payload.headers(EVENT.id, [SECRET, OTHER_SECRET], body, time.time())

    assert json.loads(body) == Webhook(secret).verify(body, headers)
    assert EVENT.id == headers["webhook-id"]


def test_another_body_or_secret_does_not() -> None:
    """The check can fail."""
    body = payload.body(EVENT)
    headers = payload.headers(EVENT.id, [SECRET], body, time.time())

    for secret, content in [(OTHER_SECRET, body), (SECRET, body + b" ")]:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(content, headers)
