"""docs/ways-back/events.md and callbacks.md: their samples run, and what they say is so."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from callback_endpoint import cancelled
from harness import ROOT
from samples import run_python, samples

from cmqueue import Event, Lane, Outbox, State, on
from cmqueue.events.event import TYPES
from config.errands import ErrandSettings
from demo.valkey import RunningServer
from receivers.callbacks import payload

EVENTS, CALLBACKS = "ways-back/events.md", "ways-back/callbacks.md"


@pytest.fixture
def _no_handlers() -> Iterator[None]:
    """What a page registers is forgotten with the test."""
    yield
    on.clear()


def test_every_sample_is_run() -> None:
    """There is none in a language that no test here knows."""
    assert {"python"} == {sample.language for sample in samples(EVENTS)}
    assert {"sh", "json", "python"} == {sample.language for sample in samples(CALLBACKS)}


@pytest.mark.usefixtures("_no_handlers")
def test_the_page_of_events(
    outbox: Outbox, valkey: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its handlers take events; its loops hear of what happens, each for itself."""
    monkeypatch.setenv("CMQUEUE_REDIS_URL", valkey.url)
    outbox.registry.partition("default")
    for name in ("bookkeeping", "website", "warehouse"):
        outbox.events(name)
    (id,) = cancelled(outbox, client_reference="order-7")
    names = run_python(EVENTS)

    assert re.fullmatch(r"(evt_\S+) message.cancelled order-7\n\1\n", capsys.readouterr().out)
    event = Event(id="e", type="message.delivered", at=1.0, account="default", client_reference="order-7")
    names["mark_delivered"](event)
    names["raise_alarm"](event)
    assert {"order-7"} == names["arrived"]
    assert ["mark_delivered", "raise_alarm"] == [handler.call.__name__ for handler in on.all]
    groups = outbox.scripts.client.xinfo_groups(f"cmq:{{{id[:2]}}}:events")
    assert {b"bookkeeping", b"website"} == {group["name"] for group in groups}


def test_the_page_names_every_type() -> None:
    """And none that does not exist."""
    text = (ROOT / "docs" / EVENTS).read_text()

    assert set(TYPES) == set(re.findall(r"`((?:message|inbound|optout|interaction)\.[a-z]+)`", text))


def test_the_page_of_callbacks() -> None:
    """Its setting is one; what it verifies is what we send, and its body has the fields of ours."""
    (setting,) = samples(CALLBACKS, "sh")
    (value,) = re.findall(r"'(.*)'", setting.text, re.DOTALL)
    (endpoint,) = ErrandSettings.from_env({"CMQUEUE_CALLBACKS": value}).callbacks or ()
    (example,) = samples(CALLBACKS, "json")
    shown = json.loads(example.text)
    data: dict[str, Any] = shown["data"]
    event = Event(
        id="evt_AA1-0_0",
        type=shown["type"],
        at=1795356621,
        account=data["account"],
        message=data["id"],
        reference=data["reference"],
        state=State(data["state"]),
        reason=data["reason"],
        code=data["code"],
        lane=Lane(data["lane"]),
        client_reference=data["client_reference"],
        campaign=data["campaign"],
        metadata=data["metadata"],
    )
    body = payload.body(event)
    names = run_python(CALLBACKS)

    assert shown == json.loads(body)
    assert 204 == names["receive"](body, payload.headers(event.id, endpoint.secrets, body, time.time()))
    assert {event.id} == names["seen"]
