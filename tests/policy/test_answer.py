"""Answers as values, and the Retry-After header."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling.retry_after import LONGEST_RETRY_AFTER, retry_after
from worker.answer import Response

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("9" * 5000, LONGEST_RETRY_AFTER),
        (formatdate(NOW + 60, usegmt=True), 60.0),
        (formatdate(NOW - 60, usegmt=True), 0.0),
        ("Fri, 15 Jan 2027 08:01:00", 60.0),
    ],
)
def test_a_retry_after_is_seconds_or_a_date(value: str, seconds: float) -> None:
    """
    Both forms of RFC 9110 are read; a date without a zone is in GMT; one that has passed is now.
    """
    assert seconds == retry_after(value, NOW)


@pytest.mark.parametrize(
    "value", [None, "", "-5", "1.5", "soon", "²", "5, 7", "Fri, 99 Jan 2027 08:01:00 GMT"]
)
def test_a_bad_retry_after_counts_as_none(value: str | None) -> None:
    """
    What is neither seconds nor a date is as good as absent.
    """
    assert retry_after(value, NOW) is None


@given(st.text())
def test_any_retry_after_is_read_without_a_fault(value: str) -> None:
    """
    Whatever the header holds, the wait is none or lies between now and a day.
    """
    wait = retry_after(value, NOW)

    assert wait is None or 0 <= wait <= LONGEST_RETRY_AFTER


def test_a_body_never_shows() -> None:
    """
    The repr of a response tells nothing of its body.
    """
    assert "31600000001" not in repr(Response(200, None, b"+31600000001", 0.1))
