"""The office: what runs at once, and what waits its turn."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from harness import eventually

from cmqueue import Outbox
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
