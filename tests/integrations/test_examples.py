"""The example apps: started as they are, asked over sockets, and what they send."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product

import pytest
from apps import APPS, RunningApp, running
from harness import ROOT, TOKEN, WorkerProcess, all_finished, eventually

from cmqueue import Outbox
from cmqueue.settings import LibrarySettings
from demo.valkey import RunningServer
from sandbox.running import running as sandbox_running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shops(valkey: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RunningApp]]:
    """All three, running."""
    with Outbox(LibrarySettings(redis_url=valkey.url)) as outbox:
        outbox.scripts.client.flushall()
    folder = tmp_path_factory.mktemp("shops")
    with ExitStack() as opened:
        yield {app: opened.enter_context(running(app, folder, valkey.url)) for app in APPS}


@pytest.fixture
def queue(valkey: RunningServer, shops: dict[str, RunningApp]) -> Iterator[Outbox]:
    """The outbox behind them. It is not emptied: they hold connections to it."""
    with Outbox(LibrarySettings(redis_url=valkey.url)) as outbox:
        yield outbox


def test_a_signup_sends_a_code(shops: dict[str, RunningApp], queue: Outbox) -> None:
    """Urgent, and over when the code is."""
    for shop in shops.values():
        answer = shop.post("/signup", phone="+31600000001")

        status = queue.status(answer.json()["message"])
        assert status is not None
        assert (202, "urgent") == (answer.status_code, status.lane)
        assert 300 == status.expires_at - status.history[0].at


def test_an_order_sends_a_notice(shops: dict[str, RunningApp], queue: Outbox) -> None:
    """Once it is committed; and the app knows how it fares."""
    for shop in shops.values():
        answer = shop.post("/orders", phone="+31600000002", item="teapot")
        order = answer.json()["order"]

        told = shop.get(f"/orders/{order}")
        status = queue.status(told["message"])
        assert status is not None
        assert (201, "teapot", "queued") == (answer.status_code, told["item"], told["notice"])
        assert f"order-{order}" == status.client_reference


def test_an_order_that_is_rolled_back_sends_none(shops: dict[str, RunningApp], queue: Outbox) -> None:
    """What is not there is not told of."""
    before = queue.audit().enqueued

    for shop in shops.values():
        assert 409 == shop.post("/orders", phone="+31600000003", item="unicorn").status_code
    assert before == queue.audit().enqueued


def test_a_wrong_number_is_the_callers_to_correct(shops: dict[str, RunningApp], queue: Outbox) -> None:
    """A 422 that names the field; neither order nor message."""
    before = queue.audit().enqueued

    for shop, path in product(shops.values(), ("/signup", "/orders")):
        answer = shop.post(path, phone="+3160000000x", item="teapot")
        assert 422 == answer.status_code
        assert "to" == (answer.json().get("detail") or answer.json())["field"]
        assert "3160000000x" not in answer.text
    assert before == queue.audit().enqueued


def test_djangos_command_line_asks_the_same_outbox(
    shops: dict[str, RunningApp], queue: Outbox, valkey: RunningServer
) -> None:
    """`manage.py cmqueue`, with Django's own options before its own."""
    id = shops["django"].post("/signup", phone="+31600000004").json()["message"]
    manage = [sys.executable, "-m", "examples.django_app.manage", "cmqueue"]

    def told(*arguments: str) -> tuple[int, str]:
        environment = os.environ | {"CMQUEUE_REDIS_URL": valkey.url, "DJANGO_SETTINGS_MODULE": "none.such"}
        done = subprocess.run(
            [*manage, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    code, said = told("explain", id, "--settings", "examples.django_app.settings")
    assert 0 == code
    assert "in the lane urgent" in said
    assert 1 == told("--settings=examples.django_app.settings", "status", "A" * 26)[0]


def test_a_worker_delivers_them(
    shops: dict[str, RunningApp],
    queue: Outbox,
    valkey: RunningServer,
    start_worker: Callable[..., WorkerProcess],
) -> None:
    """All that the three have enqueued reaches CM's stand-in, each message once."""
    for shop in shops.values():
        shop.post("/signup", phone="+31600000005")
    orders = {
        app: shop.post("/orders", phone="+31600000006", item="teapot").json()["order"]
        for app, shop in shops.items()
    }
    with sandbox_running(seed=1) as sandbox:
        start_worker(valkey.url, sandbox.endpoint, CMQUEUE_PRODUCT_TOKEN=TOKEN)
        eventually(lambda: all_finished(queue), 40)

        assert queue.audit().finished.total() == sandbox.counts()["messages"]
        assert [] == sandbox.duplicates()
    for app, shop in shops.items():
        assert "accepted" == shop.get(f"/orders/{orders[app]}")["notice"]
