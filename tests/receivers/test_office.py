"""The office: what runs at once, and what waits its turn."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from harness import eventually
from structlog.testing import capture_logs

from cmqueue import Outbox
from cmqueue.errors import OutboxFull
from receivers.errands.lookout import Lookout
from receivers.errands.office import Office


class Held:
    """An errand that runs until it is let go."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.begun = 0
        self.go = threading.Event()

    def waiting(self) -> bool:
        return False

    def run(self, _: threading.Event) -> None:
        self.begun += 1
        assert self.go.wait(10)


@pytest.fixture
def errands() -> list[Held]:
    return [Held("one"), Held("two"), Held("three")]


@pytest.fixture
def office(outbox: Outbox, errands: list[Held]) -> Office:
    return Office(outbox, errands, seats=2)


def serve(office: Office, name: str) -> threading.Thread:
    thread = threading.Thread(target=office.serve, args=(name,), daemon=True)
    thread.start()
    return thread


def test_an_errand_runs_once_at_a_time(office: Office, errands: list[Held]) -> None:
    """Wake-ups that come while it runs make it run once more, after that, and keep no thread waiting."""
    first = serve(office, "one")
    eventually(lambda: errands[0].begun)
    for again in [serve(office, "one") for _ in range(3)]:
        again.join(5)
        assert not again.is_alive()
    assert 1 == errands[0].begun

    errands[0].go.set()
    first.join(5)
    assert (2, False) == (errands[0].begun, office.at_work)


def test_no_more_run_at_once_than_there_are_seats(office: Office, errands: list[Held]) -> None:
    """The others are run, in their order, by whoever has a seat: the pool's threads are for drains too."""
    threads = [serve(office, name) for name in ("one", "two")]
    eventually(lambda: errands[0].begun and errands[1].begun)
    serve(office, "three").join(5)
    assert (0, False) == (errands[2].begun, office.idle("three"))

    for errand in errands:
        errand.go.set()
    for thread in threads:
        thread.join(5)
    assert Counter(one=1, two=1, three=1) == Counter({errand.name: errand.begun for errand in errands})


def test_nothing_begins_once_the_process_stops(office: Office, errands: list[Held]) -> None:
    """A wake-up that comes then is left to other processes."""
    office.stopping.set()
    office.serve("one")

    assert (0, False) == (errands[0].begun, office.at_work)


class Failing(Held):
    """An errand that raises, at work and when it is asked whether there is some."""

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(name)
        self.error = error

    def waiting(self) -> bool:
        raise self.error

    def run(self, _: threading.Event) -> None:
        self.begun += 1
        raise self.error


def test_an_errand_that_raised_rests_whoever_wakes_it(outbox: Outbox) -> None:
    """A receiver wakes it twenty times a second: each would be a traceback in the log."""
    failing, other = Failing("one", ValueError()), Held("two")
    other.go.set()
    office = Office(outbox, [failing, other], seats=1)
    with capture_logs() as logs:
        for _ in range(5):
            office.serve("one")
    office.serve("two")

    assert (1, 1) == (failing.begun, other.begun)
    assert ["errand.failed"] == [line["event"] for line in logs]


@pytest.mark.parametrize("error", [ValueError(), OutboxFull()], ids=["a bug", "a full Redis"])
def test_an_errand_that_cannot_say_keeps_the_lookout_from_no_other(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """What empties a full Redis is found all the same; and it is asked again after its rest."""
    failing, other = Failing("one", error), Held("two")
    monkeypatch.setattr(other, "waiting", lambda: True)
    other.go.set()
    lookout = Lookout(outbox, Office(outbox, [failing, other], seats=2))
    now = time.monotonic()
    with capture_logs() as logs:
        for tick in range(4):
            lookout.look(now + tick)
    eventually(lambda: other.begun)

    assert ["one"] == [line["errand"] for line in logs if line["event"].startswith("errand.")]
