"""When CM is asked about a message that nobody knows about."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from receivers.reconcile.schedule import Doubt, backoff, due, moments, urgency


def doubt(began: float, ends: float | None) -> Doubt:
    return Doubt("3KEKXH2TQ5C7D4WJ3N6RZPYA", "AA3KEKAJE2CL6Y6M", "0031600000001", began, began, ends)


def test_soon_after_it_began_and_shortly_before_it_ends() -> None:
    """Of two minutes: after 3 s, and 10 s before the end, when an answer can still settle it."""
    assert [1003.0, 1110.0] == moments(doubt(1000, 1120))


def test_a_short_window_is_shared_out() -> None:
    """Of the 5 s that `urgent` waits before a resend: twice, the second time before it."""
    assert [1001.25, 1003.75] == moments(doubt(1000, 1005))


def test_what_ended_unknown_is_asked_about_later() -> None:
    """A yes that comes late corrects it; after some hours nobody asks any more."""
    assert [1300.0, 4600.0, 22600.0] == moments(doubt(1000, None))


def test_moments_that_were_missed_are_one() -> None:
    """After an outage it is asked once, not once for each."""
    first, last = doubt(1000, 1120), doubt(1000, 1120)

    assert (None, 1003.0, 1110.0) == (due(first, 1002), due(first, 1003), due(last, 1119))


@given(st.floats(0, 1e9), st.floats(0, 7 * 86400), st.floats(0, 2e9))
def test_a_doubt_is_asked_about_within_it(began: float, window: float, now: float) -> None:
    """Never before it began nor after it ends, and in order."""
    first, last = moments(doubt(began, began + window))

    assert began <= first <= last <= began + window
    assert due(doubt(began, began + window), now) in (None, first, last)


def test_what_ends_first_is_asked_about_first() -> None:
    """What is resent in a second comes before what has minutes, and that before what has ended."""
    soon, later, unknown = doubt(1000, 1005), doubt(990, 1120), doubt(900, None)

    assert [soon, later, unknown] == sorted([unknown, later, soon], key=urgency)


def test_the_wait_after_failures_doubles() -> None:
    """From 5 s on, to some minutes; a Retry-After is kept where it is longer, up to 15 minutes."""
    assert [5, 10, 20, 320, 320] == [backoff(failures, None) for failures in (1, 2, 3, 7, 50)]
    assert [60, 900] == [backoff(1, after) for after in (60, 86400)]
