"""Handlers of the app's, and their calls by a worker process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from callback_endpoint import cancelled, run_until
from structlog.testing import capture_logs
from test_calls import end_waits

from cmqueue import Event, Outbox, SettingsError, on
from cmqueue.events.calls import Calls
from cmqueue.events.handlers import Handler, Handlers
from cmqueue.partition import Partition
from config.errands import ErrandSettings
from receivers.callbacks import desk
from receivers.callbacks.handling import Handling

SCHEDULE = (0.05, 0.05)


def handling(outbox: Outbox, handlers: Handlers, schedule: tuple[float, ...] = SCHEDULE) -> Handling:
    errand = Handling(handlers.all, outbox, schedule)
    errand.waiting()  # from here on events are kept for them
    return errand


@pytest.fixture(autouse=True)
def _there(outbox: Outbox) -> Partition:
    return outbox.registry.partition("default")


# --- the registry ------------------------------------------------------------------------------------------


def test_a_handler_is_registered_under_its_name() -> None:
    """With every type that its patterns name; the function stays what it is."""
    handlers = Handlers()

    @handlers("message.delivered", "inbound.*")
    def tell(event: Event) -> str:
        return event.id

    (handler,) = handlers.all
    assert {"message.delivered", "inbound.received"} == handler.types
    assert handler.name.endswith(".tell")
    assert tell is handler.call


def test_what_is_no_handler() -> None:
    """A wrong type, no type, a coroutine, two of one name."""
    handlers = Handlers()

    async def asynchronous(_event: Event) -> None: ...

    with pytest.raises(ValueError, match="no event is called"):
        handlers("message.sent")
    with pytest.raises(TypeError):
        handlers()
    with pytest.raises(TypeError):
        handlers("*")(asynchronous)

    def make(text: str) -> Any:
        names: dict[str, Any] = {"__name__": "shop"}
        exec(text, names)
        return names["tell"]

    handlers("*")(make("def tell(event): ..."))
    handlers("*")(make("def tell(event): ..."))  # the module was loaded again
    with pytest.raises(ValueError, match="already"):
        handlers("*")(make("\n\ndef tell(event): ..."))


def test_modules_are_imported_by_the_worker(
    settings: Callable[..., ErrandSettings], outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name; one that can't be, or that holds no handler, ends the start with the variable's name."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "shop_handlers.py").write_text(
        "from cmqueue import on\n@on('message.*')\ndef tell(event): ...\n"
    )
    (tmp_path / "shop_broken.py").write_text("raise RuntimeError('+31600000987')\n")
    (tmp_path / "shop_empty.py").write_text("")

    try:
        with pytest.raises(SettingsError, match="there is no handler"):
            Handling.of(settings(CMQUEUE_HANDLERS="shop_empty"), outbox)
        for module, error in [("shop_nowhere", "ModuleNotFoundError"), ("shop_broken", "RuntimeError")]:
            with pytest.raises(SettingsError, match=error) as caught:
                Handling.of(settings(CMQUEUE_HANDLERS=module), outbox)
            assert ("CMQUEUE_HANDLERS", False) == (caught.value.variable, "987" in str(caught.value))
        assert Handling.of(settings(), outbox) is None
        assert Handling.of(settings(CMQUEUE_HANDLERS="shop_empty,shop_handlers"), outbox) is not None
        assert ["shop_handlers.tell"] == [handler.name for handler in on.all]
    finally:
        on.clear()


# --- the calls ---------------------------------------------------------------------------------------------


def test_each_event_is_handled(outbox: Outbox) -> None:
    """Once by each handler that asks for it."""
    handlers, heard = Handlers(), []

    @handlers("message.cancelled")
    def one(event: Event) -> None:
        heard.append(("one", event.message))

    @handlers("message.*")
    def other(event: Event) -> None:
        heard.append(("other", event.message))

    @handlers("inbound.received")
    def neither(event: Event) -> None:
        heard.append(("neither", event.message))

    errand = handling(outbox, handlers)
    ids = cancelled(outbox, 20)
    run_until(errand, lambda: len(heard) >= 40)

    assert not errand.waiting()
    assert sorted(heard) == sorted((name, id) for name in ("one", "other") for id in ids)


def test_one_that_raises_is_called_again_apart(outbox: Outbox) -> None:
    """By its schedule; all else is done meanwhile. At the end the call is dead, with the error's class."""
    handlers, heard, tried = Handlers(), [], []

    @handlers("*")
    def good(event: Event) -> None:
        heard.append(event.id)

    @handlers("*")
    def picky(event: Event) -> None:
        tried.append(event.id)
        if event.message == bad:
            raise KeyError("0031600000987")

    errand = handling(outbox, handlers)
    bad, *_ = cancelled(outbox, 5)
    dead = Calls(outbox, next(h.target for h in handlers.all if h.name.endswith("picky")))
    with capture_logs() as logs:
        run_until(errand, lambda: dead.standing().dead)

    assert (5, 5 + len(SCHEDULE)) == (len(heard), len(tried))
    (one,) = dead.dead()
    assert (bad, "KeyError", 3) == (one.event.message, one.why, one.failures)
    assert "600000987" not in str(logs)
    told = [line["event"] for line in logs if line["log_level"] != "debug"]
    assert ["handler.failed", "handler.failed", "handler.dead"] == told


def test_one_that_exits_is_called_again_apart(outbox: Outbox) -> None:
    """What is no Exception, an exit or a cancelled task, holds up no event behind it either."""
    handlers, tried = Handlers(), []

    @handlers("*")
    def leaves(event: Event) -> None:
        tried.append(event.message)
        if event.message == bad:
            raise SystemExit("0031600000987")

    errand = handling(outbox, handlers)
    bad, *others = cancelled(outbox, 5)
    dead = Calls(outbox, handlers.all[0].target)
    run_until(errand, lambda: dead.standing().dead)

    assert others == [id for id in tried if id != bad]
    assert ["SystemExit"] == [call.why for call in dead.dead()]


def test_one_that_always_fails_is_paused_and_holds_up_nobody(outbox: Outbox) -> None:
    """It is called a few times, then left alone while its events wait; then it has them all."""
    handlers, heard, tried = Handlers(), [], []
    down = True

    @handlers("*")
    def broken(event: Event) -> None:
        tried.append(event.id)
        if down:
            raise ConnectionError

    @handlers("*")
    def good(event: Event) -> None:
        heard.append(event.id)

    errand = handling(outbox, handlers, (1.0,) * 5)
    cancelled(outbox, 100)
    with capture_logs() as logs:
        run_until(errand, lambda: len(heard) >= 100)

    assert 100 == len(heard)
    assert desk.PAUSE_AFTER == len(tried)
    assert "handler.paused" in [line["event"] for line in logs]
    assert not errand.waiting()

    down = False
    target = next(h.target for h in handlers.all if h.name.endswith("broken"))
    Calls(outbox, target).resume()
    end_waits(outbox, target)
    run_until(errand, lambda: len(set(tried)) >= 100)


def test_a_slow_one_has_its_share_of_the_time(outbox: Outbox) -> None:
    """A run ends after a second or so; what it did not get to is kept, for whichever process goes on."""
    handlers, heard = Handlers(), []

    @handlers("*")
    def slow(event: Event) -> None:
        heard.append(event.id)
        time.sleep(0.1)

    errand = handling(outbox, handlers)
    outbox.registry.partition("default").cancel([id[2:] for id in _enqueued(outbox, 30)])
    began = time.monotonic()
    errand.run(threading.Event())
    assert time.monotonic() - began < 3
    assert len(heard) < 30

    other = handling(outbox, handlers)
    run_until(other, lambda: len(heard) >= 30)
    assert 30 == len(set(heard)) == len(heard)


def test_a_stop_ends_between_two_calls(outbox: Outbox) -> None:
    """And loses none."""
    handlers, heard, stopping = Handlers(), [], threading.Event()

    @handlers("*")
    def stops(event: Event) -> None:
        heard.append(event.id)
        stopping.set()

    errand = handling(outbox, handlers)
    outbox.registry.partition("default").cancel([id[2:] for id in _enqueued(outbox, 10)])
    errand.run(stopping)
    assert 1 == len(heard)

    run_until(errand, lambda: len(heard) >= 10)
    assert 10 == len(set(heard)) == len(heard)


def test_a_redis_that_forgot_is_subscribed_to_again(outbox: Outbox) -> None:
    """By a look for work alone: nothing is told of where nobody subscribes, so no event would ever say it."""
    handlers, heard = Handlers(), []

    @handlers("*")
    def tell(event: Event) -> None:
        heard.append(event.message)

    errand = handling(outbox, handlers)
    outbox.scripts.client.flushall()
    assert not errand.waiting()
    ids = cancelled(outbox, 3)
    run_until(errand, lambda: len(heard) >= 3, seconds=3)

    assert ids == heard


def test_a_worker_that_starts_on_a_full_redis_calls_them(outbox: Outbox) -> None:
    """Its groups are there: that Redis takes nothing new keeps nobody from reading what there is."""
    handlers, heard = Handlers(), []

    @handlers("*")
    def tell(event: Event) -> None:
        heard.append(event.message)

    handling(outbox, handlers)
    ids = cancelled(outbox, 3)
    outbox.scripts.client.config_set("maxmemory", 1)
    try:
        run_until(handling(outbox, handlers), lambda: len(heard) >= 3)
    finally:
        outbox.scripts.client.config_set("maxmemory", 0)

    assert ids == heard


def _enqueued(outbox: Outbox, count: int) -> list[str]:
    message = {"sender": "Acme", "to": "+31600000001", "text": "hi"}
    return [outbox.enqueue(message).id for _ in range(count)]


def test_a_handler_is_a_target() -> None:
    """Its calls are kept under its own name."""
    assert "handler:shop.tell" == Handler("shop.tell", frozenset(), print).target
