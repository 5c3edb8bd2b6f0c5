"""FastAPI: the lifespan, the dependency, and the answers for what the outbox raises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient

from cmqueue import AsyncOutbox, Outbox, SettingsError
from cmqueue.integrations.fastapi import OutboxDep, get_outbox, handle_errors, lifespan
from cmqueue.settings import LibrarySettings
from cmqueue.testing import MemoryOutbox
from demo.valkey import RunningServer


def shop(app: FastAPI) -> FastAPI:
    """The app, with a view that enqueues and a websocket that does."""
    handle_errors(app)

    @app.post("/order")
    async def order(outbox: OutboxDep, to: str = "+31600000001", text: str = "hi") -> dict[str, str]:
        receipt = await outbox.enqueue({"sender": "Acme", "to": to, "text": text}, idempotency_key="a")
        return {"id": receipt.id}

    @app.websocket("/talk")
    async def talk(socket: WebSocket, outbox: OutboxDep) -> None:
        await socket.accept()
        to = await socket.receive_text()
        receipt = await outbox.enqueue({"sender": "Acme", "to": to, "text": "hi"})
        await socket.send_text(receipt.id)
        await socket.close()

    return app


@pytest.fixture
def client(memory: MemoryOutbox) -> Iterator[TestClient]:
    """An app whose outbox is the double, put in place as FastAPI's documentation says."""
    app = shop(FastAPI())
    app.dependency_overrides[get_outbox] = lambda: AsyncOutbox.of(memory)
    with TestClient(app) as made:
        yield made


def test_a_view_enqueues(outbox: Outbox, valkey: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the Redis that the environment names; the outbox is closed with the app."""
    monkeypatch.setenv("CMQUEUE_REDIS_URL", valkey.url)
    before = len(outbox.scripts.client.client_list())
    with TestClient(shop(FastAPI(lifespan=lifespan))) as client:
        answer = client.post("/order")

    assert ["queued"] == outbox.states([answer.json()["id"]])
    assert before == len(outbox.scripts.client.client_list())


def test_a_wrong_setting_keeps_the_app_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of the variable."""
    monkeypatch.setenv("CMQUEUE_REDIS_TIMEOUT", "soon")

    with pytest.raises(SettingsError, match="CMQUEUE_REDIS_TIMEOUT"), TestClient(FastAPI(lifespan=lifespan)):
        pass


def test_it_lives_inside_the_apps_own_lifespan(outbox: Outbox) -> None:
    """With settings from wherever the app has them."""
    settings = LibrarySettings(redis_url=outbox.settings.redis_url, shards=2)

    @asynccontextmanager
    async def opened(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan(app, settings=settings):
            yield

    for given in (opened, partial(lifespan, settings=settings)):
        app = shop(FastAPI(lifespan=given))
        with TestClient(app) as client:
            assert 200 == client.post("/order").status_code
            assert settings is app.state.cmqueue.settings


def test_a_websocket_enqueues(client: TestClient, memory: MemoryOutbox) -> None:
    """By the same dependency."""
    with client.websocket_connect("/talk") as socket:
        socket.send_text("+31600000001")
        id = socket.receive_text()

    assert [id] == [message.id for message in memory.messages]


def test_a_number_that_is_none_is_a_422(client: TestClient) -> None:
    """With field, problem and rule, and without the number."""
    answer = client.post("/order", params={"to": "+3160000000x"})

    detail = answer.json()["detail"]
    assert (422, {"field", "problem", "rule"}, "to") == (answer.status_code, set(detail), detail["field"])
    assert "3160000000x" not in answer.text


@pytest.mark.parametrize("maybe", [False, True])
def test_redis_away_is_a_503(
    client: TestClient, memory: MemoryOutbox, caplog: pytest.LogCaptureFixture, maybe: bool
) -> None:
    """With Retry-After, whether it may be in, and a line in the log."""
    with memory.away(maybe_enqueued=maybe):
        answer = client.post("/order")

    assert (503, "1", maybe) == (
        answer.status_code,
        answer.headers["Retry-After"],
        answer.json()["maybe_enqueued"],
    )
    assert ["enqueue.failed"] == [
        record.getMessage() for record in caplog.records if record.name == "cmqueue"
    ]


def test_a_key_of_another_message_is_a_409(client: TestClient) -> None:
    """With the first one's id."""
    first = client.post("/order").json()["id"]

    answer = client.post("/order", params={"text": "ho"})

    assert (409, first) == (answer.status_code, answer.json()["id"])


def test_an_app_without_the_lifespan_says_so() -> None:
    """And names what is missing."""
    with TestClient(shop(FastAPI())) as client, pytest.raises(RuntimeError, match="lifespan"):
        client.post("/order")
