"""Handlers and callbacks in real worker processes, which are killed while they are at it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from callback_endpoint import SECRET, AppEndpoint, callbacks, cancelled
from harness import WorkerProcess, events, eventually
from test_calls import end_waits
from test_subscription import lose

from cmqueue import Outbox
from cmqueue.events.calls import Calls
from demo.valkey import RunningServer

pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:1/"  # nothing is sent in these tests

HANDLERS = """
import os
from cmqueue import on

@on("message.*")
def keep(event):
    with open(os.environ["KEPT"], "a") as kept:
        kept.write(f"{event.id} {event.message} {event.client_reference}\\n")

@on("message.cancelled")
def broken(event):
    raise LookupError("+31600000987 marked-body-7c1e")
"""

StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Where the handlers write what they were called with."""
    (tmp_path / "shop_events.py").write_text(HANDLERS)
    return tmp_path / "kept"


@pytest.fixture
def start(start_worker: StartWorker, valkey: RunningServer, kept: Path) -> Callable[..., WorkerProcess]:
    def begin(**settings: str) -> WorkerProcess:
        path = f"{kept.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        return start_worker(valkey.url, NOWHERE, PYTHONPATH=path, KEPT=str(kept), **settings)

    return begin


def subscribed(outbox: Outbox, *groups: str) -> Callable[[], bool]:
    """Whether a worker has begun to listen for all of these, where messages are."""
    key = outbox.registry.partition("default").prefix + "events"

    def told() -> bool:
        client = outbox.scripts.client
        if not client.exists(key):
            return False
        return {group.encode() for group in groups} <= {group["name"] for group in client.xinfo_groups(key)}

    return told


def test_a_worker_calls_handlers_and_endpoints(
    outbox: Outbox, app_endpoint: AppEndpoint, start: Callable[..., WorkerProcess], kept: Path
) -> None:
    """SIGTERM ends it, and no line of its log holds a secret, a number or a text."""
    waits = subscribed(outbox, "handler:shop_events.keep", "callback:shop")
    worker = start(
        **callbacks(shop=app_endpoint),
        CMQUEUE_HANDLERS="shop_events",
        CMQUEUE_HANDLER_SCHEDULE="1",
        CMQUEUE_LOG_LEVEL="debug",
    )
    eventually(waits, 40)
    (id,) = cancelled(outbox, client_reference="order-7c1e")

    eventually(lambda: app_endpoint.taken and kept.exists(), 20)
    ((event_id, told),) = app_endpoint.got
    assert id == told["data"]["id"]
    assert f"{event_id} {id} order-7c1e\n" == kept.read_text()
    eventually(lambda: events(worker, "handler.dead"), 20)
    assert 0 == worker.terminate()
    (dead,) = events(worker, "handler.dead")
    assert ("shop_events.broken", "LookupError", event_id) == (dead["handler"], dead["why"], dead["event_id"])
    for mark in ("600000001", "600000987", "7c1e", SECRET, SECRET[6:20]):
        assert mark not in worker.lines()


def test_a_module_that_is_not_there_ends_the_start(start: Callable[..., WorkerProcess]) -> None:
    """With a line that names the variable."""
    worker = start(CMQUEUE_HANDLERS="shop_nowhere")

    assert 1 == worker.process.wait(40)
    assert "cmqueue worker: CMQUEUE_HANDLERS: shop_nowhere can't be imported" in worker.lines()


def test_kill_minus_nine_loses_no_event(
    outbox: Outbox, app_endpoint: AppEndpoint, start: Callable[..., WorkerProcess], kept: Path
) -> None:
    """While callbacks are under way, three times: each event arrives, and one that comes twice has its id."""
    waits = subscribed(outbox, "handler:shop_events.keep", "callback:shop")
    settings = callbacks(shop=app_endpoint) | {"CMQUEUE_HANDLERS": "shop_events"}
    app_endpoint.answer = lambda *_: time.sleep(0.02) or 204  # type: ignore[func-returns-value]
    worker = start(**settings)
    eventually(waits, 40)
    ids: list[str] = []
    for _ in range(3):
        ids += cancelled(outbox, 200)
        seen = len(app_endpoint.taken)
        eventually(lambda: len(app_endpoint.taken) > seen + 40, 40)  # noqa: B023 - called at once
        worker.kill()
        worker = start(**settings)

    calls, code = Calls(outbox, "callback:shop"), outbox.registry.partition("default").code

    def arrived() -> bool:
        # What the dead held is free after a minute; here at once.
        for group in ("handler:shop_events.keep", "callback:shop"):
            lose(outbox, code, group)
            if outbox.scripts.client.exists(f"cmq:{{{group}}}:due"):
                end_waits(outbox, group)
        called = {line.split()[1] for line in kept.read_text().splitlines()} if kept.exists() else set()
        posted = {told["data"]["id"] for _, told in app_endpoint.got}
        return called >= set(ids) and posted >= set(ids)

    eventually(arrived, 60, every=2)
    eventually(lambda: calls.standing().waiting == 0, 20)
    event_of = {told["data"]["id"]: id for id, told in app_endpoint.got}
    assert set(ids) == event_of.keys()
    assert all(event_of[told["data"]["id"]] == id for id, told in app_endpoint.got)
