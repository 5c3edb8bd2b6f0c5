"""The settings of handlers and callbacks: read once, refused with a line that shows no secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from callback_endpoint import OTHER_SECRET, SECRET

from cmqueue import SettingsError
from config.errands import ErrandSettings

URL = "https://shop.example/hook?key=marked-query-7c1e"
GOOD: dict[str, Any] = {"url": URL, "secret": SECRET, "events": ["message.delivered", "inbound.*"]}


def test_an_endpoint_is_read(settings: Callable[..., ErrandSettings]) -> None:
    """Its events may be patterns, its secret two."""
    given = {"shop": GOOD, "crm": {"url": URL, "secret": [SECRET, OTHER_SECRET], "account": "other"}}
    shop, crm = settings(CMQUEUE_CALLBACKS=json.dumps(given)).callbacks or ()

    assert ("shop", {"message.delivered", "inbound.received"}, None) == (shop.name, shop.types, shop.account)
    assert ((SECRET, OTHER_SECRET), "other") == (crm.secrets, crm.account)
    assert {"message.failed", "optout.received"} <= crm.types


@pytest.mark.parametrize(
    "bad",
    [
        "[]",
        "{}",
        '{"a b": {}}',
        json.dumps({"shop": {**GOOD, "more": 1}}),
        json.dumps({"shop": {"url": URL}}),
        json.dumps({"shop": {**GOOD, "url": "ftp://marked-query-7c1e/"}}),
        json.dumps({"shop": {**GOOD, "url": "https://user:marked-query-7c1e@shop.example/"}}),
        json.dumps({"shop": {**GOOD, "url": "https://shop.example/#marked-query-7c1e"}}),
        json.dumps({"shop": {**GOOD, "url": "http://shop.example/marked-query-7c1e"}}),
        json.dumps({"shop": {**GOOD, "url": "https://[marked-query-7c1e/"}}),
        json.dumps({"shop": {**GOOD, "secret": "marked-query-7c1e"}}),
        json.dumps({"shop": {**GOOD, "secret": "whsec_marked-query-7c1e"}}),
        json.dumps({"shop": {**GOOD, "secret": "whsec_c2hvcnQ="}}),
        json.dumps({"shop": {**GOOD, "secret": [SECRET] * 3}}),
        json.dumps({"shop": {**GOOD, "secret": []}}),
        json.dumps({"shop": {**GOOD, "events": []}}),
        json.dumps({"shop": {**GOOD, "events": ["message.sent"]}}),
        json.dumps({"shop": {**GOOD, "events": "message.*"}}),
        json.dumps({"shop": {**GOOD, "account": "a b"}}),
        json.dumps({f"n{n}": GOOD for n in range(21)}),
    ],
)
def test_a_wrong_one_is_refused(settings: Callable[..., ErrandSettings], bad: str) -> None:
    """With the variable's name, and nothing of what was given."""
    with pytest.raises(SettingsError) as caught:
        settings(CMQUEUE_CALLBACKS=bad)

    assert "CMQUEUE_CALLBACKS" == caught.value.variable
    assert "7c1e" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_http_needs_a_network_that_is_allowed(settings: Callable[..., ErrandSettings]) -> None:
    """Then it may be named; whether it stands there is judged with each connection."""
    given = json.dumps({"shop": {**GOOD, "url": "http://10.1.0.7/hook"}})
    found = settings(CMQUEUE_CALLBACKS=given, CMQUEUE_CALLBACK_PRIVATE="10.1.0.0/16, fd00::/8")

    assert ["10.1.0.0/16", "fd00::/8"] == [str(network) for network in found.callback_private or ()]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CMQUEUE_CALLBACK_PRIVATE", "10.1.0.1/16"),
        ("CMQUEUE_CALLBACK_PRIVATE", "shop.example"),
        ("CMQUEUE_CALLBACK_SCHEDULE", "0"),
        ("CMQUEUE_HANDLER_SCHEDULE", "soon"),
        ("CMQUEUE_HANDLERS", "shop/events.py"),
        ("CMQUEUE_HANDLERS", "shop.events,"),
    ],
)
def test_the_others_are_checked_too(
    settings: Callable[..., ErrandSettings], variable: str, value: str
) -> None:
    """Each names its variable."""
    with pytest.raises(SettingsError) as caught:
        settings(**{variable: value})

    assert variable == caught.value.variable


def test_no_repr_shows_a_secret(settings: Callable[..., ErrandSettings]) -> None:
    """Neither the settings' nor the endpoint's."""
    found = settings(CMQUEUE_CALLBACKS=json.dumps({"shop": GOOD}))

    for mark in ("7c1e", SECRET, SECRET[6:20]):
        assert mark not in repr(found) + repr(found.callbacks)
