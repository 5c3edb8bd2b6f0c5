"""Flask: the extension, its settings, and an outbox for each app."""

from __future__ import annotations

import gc

import pytest
from flask import Flask
from harness import eventually

from cmqueue import Outbox, SettingsError
from cmqueue.integrations.flask import CmQueue, current_outbox
from cmqueue.testing import MemoryOutbox
from demo.valkey import RunningServer

HELLO = {"sender": "Acme", "to": "+31600000001", "text": "hi"}


def shop(**config: object) -> Flask:
    """An app with one view that enqueues."""
    app = Flask("shop")
    app.config.update(config)
    CmQueue(app)

    @app.post("/order")
    def order() -> dict[str, str]:
        return {"id": current_outbox.enqueue(HELLO).id}

    return app


def test_a_view_enqueues(outbox: Outbox, valkey: RunningServer) -> None:
    """In the Redis that the config names."""
    app = shop(CMQUEUE_REDIS_URL=valkey.url)

    answer = app.test_client().post("/order")

    assert answer.json is not None
    assert ["queued"] == outbox.states([answer.json["id"]])


def test_settings_come_from_the_config_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by itself; None in the config is none."""
    monkeypatch.setenv("CMQUEUE_REDIS_TIMEOUT", "7")
    monkeypatch.setenv("CMQUEUE_SHARDS", "7")
    app = shop(CMQUEUE_REDIS_TIMEOUT=3, CMQUEUE_SHARDS=None)

    with app.app_context():
        assert (3, 7) == (current_outbox.settings.redis_timeout, current_outbox.settings.shards)


@pytest.mark.parametrize("value", ["soon", 1000, True, ["a", 1]])
def test_a_wrong_setting_is_refused_at_once(value: object) -> None:
    """When the app is made, by its name."""
    with pytest.raises(SettingsError) as raised:
        shop(CMQUEUE_REDIS_TIMEOUT=value)

    assert "CMQUEUE_REDIS_TIMEOUT" == raised.value.variable


def test_the_extension_serves_several_apps() -> None:
    """Each has its own outbox, by its own config."""
    extension = CmQueue()
    found = []
    for shards in (2, 3):
        app = Flask("shop")
        app.config["CMQUEUE_SHARDS"] = shards
        extension.init_app(app)
        with app.app_context():
            found.append(extension.outbox)
            assert extension.outbox is extension.outbox

    assert [2, 3] == [outbox.settings.shards for outbox in found]


def test_a_test_puts_its_own_in_place(memory: MemoryOutbox) -> None:
    """Views then use the double."""
    extension, app = CmQueue(), shop()

    with extension.use(app, memory):
        app.test_client().post("/order")

    assert ["hi"] == [message.text for message in memory.messages]


def test_an_app_without_the_extension_says_so() -> None:
    """And names what is missing."""
    with Flask("bare").app_context(), pytest.raises(RuntimeError, match="CmQueue"):
        current_outbox.audit()


def test_it_is_closed_with_the_app(outbox: Outbox, valkey: RunningServer) -> None:
    """Its connections are gone once the app is."""
    client = outbox.scripts.client
    connections = len(client.client_list())
    app = shop(CMQUEUE_REDIS_URL=valkey.url)
    app.test_client().post("/order")
    assert len(client.client_list()) > connections

    del app
    gc.collect()

    eventually(lambda: len(client.client_list()) <= connections)
