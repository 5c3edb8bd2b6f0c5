"""Callbacks: events posted to the app's endpoints, at least once, each endpoint for itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from callback_endpoint import SECRET, AppEndpoint, callbacks, cancelled, run_until
from harness import eventually
from structlog.testing import capture_logs
from test_calls import end_waits

from cmqueue import Outbox, Subscription
from cmqueue.events import calls as calls_module
from cmqueue.events.calls import Calls
from config.errands import ErrandSettings
from receivers.callbacks import endpoint as endpoint_module
from receivers.callbacks.posting import Posting

SHOP = "callback:shop"
Settings = Callable[..., ErrandSettings]


def posting(settings: ErrandSettings, outbox: Outbox) -> Posting:
    outbox.registry.partition("default")
    errand = Posting.of(settings, outbox)
    assert errand is not None
    errand.waiting()  # from here on events are kept for them
    return errand


def names(logs: list[dict[str, object]]) -> list[object]:
    return [line["event"] for line in logs]


def end_pause(outbox: Outbox) -> None:
    outbox.scripts.client.hset(f"cmq:{{{SHOP}}}:standing", "until", 1)
    end_waits(outbox, SHOP)


def test_without_endpoints_there_is_no_errand(settings: Settings, outbox: Outbox) -> None:
    """And no subscription, so that events cost nothing."""
    assert Posting.of(settings(), outbox) is None


def test_each_event_is_posted_once(
    settings: Settings, outbox: Outbox, app_endpoint: AppEndpoint, other_endpoint: AppEndpoint
) -> None:
    """To each endpoint, signed, under the event's id, with what the caller gave."""
    errand = posting(settings(**callbacks(shop=app_endpoint, crm=other_endpoint)), outbox)
    ids = cancelled(outbox, 30, client_reference="order-7")

    run_until(errand, lambda: len(app_endpoint.taken) >= 30 and len(other_endpoint.taken) >= 30)
    assert sorted(ids) == sorted(told["data"]["id"] for _, told in app_endpoint.got)
    assert {id for id, _ in app_endpoint.got} == {id for id, _ in other_endpoint.got}
    assert {"order-7"} == {told["data"]["client_reference"] for _, told in app_endpoint.got}
    assert not errand.waiting()
    assert 0 == Calls(outbox, SHOP).standing().waiting


def test_only_an_account_s_events(settings: Settings, outbox: Outbox, app_endpoint: AppEndpoint) -> None:
    """Where the endpoint names one."""
    made = callbacks(shop=app_endpoint)
    made["CMQUEUE_CALLBACKS"] = made["CMQUEUE_CALLBACKS"].replace('"events"', '"account": "second", "events"')
    outbox.registry.partition("second")
    errand = posting(settings(**made), outbox)
    cancelled(outbox)
    (id,) = cancelled(outbox, account="second")

    run_until(errand, lambda: app_endpoint.taken)
    assert [id] == [told["data"]["id"] for _, told in app_endpoint.got]


def test_what_fails_is_tried_again_under_the_same_id(
    settings: Settings, outbox: Outbox, app_endpoint: AppEndpoint
) -> None:
    """With the same body, signed anew, while the others go; then it is dead, until it is redriven."""
    errand = posting(settings(**callbacks(shop=app_endpoint), CMQUEUE_CALLBACK_SCHEDULE="1,1"), outbox)
    bad, *_ = cancelled(outbox, 3)
    app_endpoint.answer = lambda _id, told: 500 if told["data"]["id"] == bad else 204
    calls = Calls(outbox, SHOP)

    def forward() -> bool:
        end_waits(outbox, SHOP)
        return bool(calls.standing().dead)

    with capture_logs() as logs:
        run_until(errand, forward)
    tries = [(id, told) for id, told in app_endpoint.got if told["data"]["id"] == bad]
    assert 3 == len(tries)
    assert all(first == tries[0] for first in tries)
    assert 2 == len(app_endpoint.taken)
    told = [name for name in names(logs) if name not in ("callback.delivered", "callbacks.delivered")]
    assert ["callback.failed", "callback.failed", "callback.dead"] == told

    app_endpoint.answer = lambda *_: 204
    (dead,) = calls.dead()
    assert ("500", [dead.event.id]) == (dead.why, calls.redrive([dead.event.id]))
    run_until(errand, lambda: len(app_endpoint.taken) == 3)


def test_an_endpoint_that_fails_is_paused(
    settings: Settings, outbox: Outbox, app_endpoint: AppEndpoint
) -> None:
    """A few tries, then none; then a probe, and when that arrives all the rest, nothing lost."""
    app_endpoint.answer = lambda *_: 500
    errand = posting(settings(**callbacks(shop=app_endpoint)), outbox)
    cancelled(outbox, 40)
    with capture_logs() as logs:
        run_until(errand, lambda: Calls(outbox, SHOP).standing().until)
    eventually(lambda: not errand._lines[SHOP].busy)
    tried = len(app_endpoint.got)
    # Those in flight when it began are tried as well.
    assert 5 <= tried <= 5 + endpoint_module.THREADS
    assert 1 == names(logs).count("endpoint.paused")
    assert not errand.waiting()

    end_pause(outbox)
    run_until(errand, lambda: len(app_endpoint.got) == tried + 1)
    eventually(lambda: Calls(outbox, SHOP).standing().until)
    assert 60 * 0.8 - 1 <= Calls(outbox, SHOP).standing().until - time.time() <= 60 * 1.2

    app_endpoint.answer = lambda *_: 204
    end_pause(outbox)
    run_until(errand, lambda: end_waits(outbox, SHOP) or len(app_endpoint.taken) == 40)


def test_gone_disables_the_endpoint(settings: Settings, outbox: Outbox, app_endpoint: AppEndpoint) -> None:
    """With an alarm; nothing is sent any more, nothing is lost, and an operator can let it go on."""
    app_endpoint.answer = lambda *_: 410
    errand = posting(settings(**callbacks(shop=app_endpoint)), outbox)
    cancelled(outbox)
    with capture_logs() as logs:
        run_until(errand, lambda: Calls(outbox, SHOP).standing().off)
    cancelled(outbox)
    assert (1, False) == (names(logs).count("endpoint.disabled"), errand.waiting())

    app_endpoint.answer = lambda *_: 204
    Calls(outbox, SHOP).resume()
    run_until(errand, lambda: end_waits(outbox, SHOP) or len(app_endpoint.taken) == 2)


def test_a_slow_endpoint_holds_up_no_other(
    settings: Settings, outbox: Outbox, app_endpoint: AppEndpoint, other_endpoint: AppEndpoint
) -> None:
    """It has so many threads and no more; the errand's run ends in time all the same."""
    release = threading.Event()
    app_endpoint.answer = lambda *_: 204 if release.wait(20) else 500
    errand = posting(settings(**callbacks(shop=app_endpoint, crm=other_endpoint)), outbox)
    cancelled(outbox, 100)
    began = time.monotonic()
    run_until(errand, lambda: len(other_endpoint.taken) == 100)
    assert time.monotonic() - began < 15
    errand.run(threading.Event())
    assert 1 <= app_endpoint.most <= endpoint_module.THREADS

    release.set()
    run_until(errand, lambda: len(set(app_endpoint.taken)) == 100)
    assert app_endpoint.most <= endpoint_module.THREADS


def test_a_stop_waits_for_what_is_in_flight(
    settings: Settings, outbox: Outbox, app_endpoint: AppEndpoint
) -> None:
    """And gives back what it did not begin."""
    stopping = threading.Event()

    def answer(*_: object) -> int:
        stopping.set()
        time.sleep(0.1)
        return 204

    app_endpoint.answer = answer
    made = settings(**callbacks(shop=app_endpoint))
    errand = posting(made, outbox)
    cancelled(outbox, 20)
    errand.run(stopping)
    assert 1 <= len(app_endpoint.taken) <= endpoint_module.THREADS

    other = posting(made, outbox)
    run_until(other, lambda: len(app_endpoint.taken) >= 20)
    assert 20 == len(set(app_endpoint.taken)) == len(app_endpoint.taken)


def test_what_a_dead_process_had_is_posted_by_another(
    settings: Settings, outbox: Outbox, app_endpoint: AppEndpoint
) -> None:
    """Entries that it had read and calls that it had taken."""
    made = settings(**callbacks(shop=app_endpoint))
    posting(made, outbox)
    cancelled(outbox, 4)
    dead = Subscription(outbox, SHOP).opened()
    held = dead.read(2)
    calls = Calls(outbox, SHOP)
    calls.park([(event, 0.0, 0) for _, events in held for event in events])
    dead.done(held)
    calls.take(9, 60)
    lost = dead.read(1)
    dead.give_back(lost)

    end_waits(outbox, SHOP)
    errand = posting(made, outbox)
    run_until(errand, lambda: len(app_endpoint.taken) >= 4)
    assert 4 == len(set(app_endpoint.taken))


def test_too_many_that_wait_leave_the_rest_in_the_streams(
    settings: Settings, outbox: Outbox, app_endpoint: AppEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read when there is room again."""
    monkeypatch.setattr(calls_module, "MOST_WAITING", 2)
    monkeypatch.setattr(endpoint_module, "REST_SECONDS", 0.2)
    app_endpoint.answer = lambda *_: 500
    errand = posting(settings(**callbacks(shop=app_endpoint)), outbox)
    cancelled(outbox, 6)
    with capture_logs() as logs:
        errand.run(threading.Event())
    assert "endpoint.overfull" in names(logs)

    app_endpoint.answer = lambda *_: 204
    run_until(errand, lambda: end_waits(outbox, SHOP) or len(set(app_endpoint.taken)) == 6)


def test_no_line_of_the_log_holds_a_secret(
    settings: Settings, outbox: Outbox, app_endpoint: AppEndpoint
) -> None:
    """Neither the URL's query, nor the secret, a number or what the caller gave."""
    app_endpoint.answer = lambda _id, told: 204 if told["data"]["client_reference"] == "good-7c1e" else 500
    errand = posting(settings(**callbacks(shop=app_endpoint)), outbox)
    with capture_logs() as logs:
        cancelled(outbox, 3, client_reference="good-7c1e")
        cancelled(outbox, 9, client_reference="bad-7c1e", metadata={"to": "+31600000987"})
        run_until(errand, lambda: Calls(outbox, SHOP).standing().until)

    assert {"callback.delivered", "callback.failed", "endpoint.paused"} <= set(names(logs))
    for mark in ("7c1e", "600000001", "600000987", SECRET, SECRET[6:20], "whsec"):
        assert mark not in str(logs)
