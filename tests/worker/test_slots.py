"""Permits, and wake-ups that find none."""

from __future__ import annotations

import pytest

from worker.slots import Slots


def test_a_wake_up_that_finds_no_permit_is_served_by_who_holds_one() -> None:
    """
    The holder is told that somebody wants it, and serves that partition before it gives the permit back.
    """
    slots = Slots(1)
    assert slots.take("AA")
    assert (False, False) == (slots.free, slots.wanted)
    assert not slots.take("BB")
    assert slots.wanted

    with slots.held("AA") as work:
        assert ["AA", "BB"] == list(work)

    assert (True, False) == (slots.free, slots.wanted)


def test_a_holder_that_fails_gives_its_permit_back() -> None:
    """
    Whatever ends the serving, the next wake-up finds the permit.
    """
    slots = Slots(1)
    slots.take("AA")

    def serve() -> None:
        with slots.held("AA") as work:
            next(work)
            raise LookupError

    with pytest.raises(LookupError):
        serve()

    assert slots.take("AA")
