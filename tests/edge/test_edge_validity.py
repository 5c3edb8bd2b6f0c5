from __future__ import annotations

import contextlib
import sys
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmqueue.errors import InvalidMessage
from cmqueue.validity import LATEST, deadline, wire

if TYPE_CHECKING:
    from collections.abc import Iterator

DUE = 1_500_000_000.75


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type] # mypy counts tzinfo in


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2017-04-20 11:50:05 GMT", at(2017, 4, 20, 11, 50, 5)),
        ("2017-04-20 11:50:05 UTC", at(2017, 4, 20, 11, 50, 5)),
        ("2017-04-20 11:50:05+8", at(2017, 4, 20, 3, 50, 5)),
        ("2017-04-20 11:50:05 +8", at(2017, 4, 20, 3, 50, 5)),
        ("2017-04-20 11:50:05+08", at(2017, 4, 20, 3, 50, 5)),
        ("2017-04-20 11:55:05-07:00", at(2017, 4, 20, 18, 55, 5)),
        ("2017-04-20 11:55:05+05:30", at(2017, 4, 20, 6, 25, 5)),
        ("2h", 1_500_007_200),
        ("30m", 1_500_001_800),
    ],
)
def test_forms(value: str, expected: int) -> None:
    """
    Each of CM's forms is read to the second.
    """
    assert expected == deadline(value, DUE)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2017-04-20 11:50:05", at(2017, 4, 20, 9, 50, 5)),
        ("2017-12-20 11:50:05", at(2017, 12, 20, 10, 50, 5)),
        ("2017-10-29 02:30:00", at(2017, 10, 29, 0, 30)),
    ],
)
def test_without_a_zone(value: str, expected: int) -> None:
    """
    Without a zone the time is Amsterdam's, in summer and winter; of two such times it is the earlier.
    """
    assert expected == deadline(value, DUE)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2017, 4, 20, 11, 50, 5, 999_999, tzinfo=UTC), at(2017, 4, 20, 11, 50, 5)),
        (datetime(2017, 4, 20, 11, 50, 5, tzinfo=timezone(timedelta(hours=2))), at(2017, 4, 20, 9, 50, 5)),
    ],
)
def test_datetimes(value: datetime, expected: int) -> None:
    """
    An aware datetime counts by its own zone; parts of a second are dropped.
    """
    assert expected == deadline(value, DUE)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (datetime(2017, 4, 20), "is a datetime without a zone"),  # noqa: DTZ001 - that is the point
        ("2h30m", "has none of CM's forms"),
        ("2.5h", "has none of CM's forms"),
        ("90", "has none of CM's forms"),
        ("", "has none of CM's forms"),
        ("90s", "has none of CM's forms"),
        ("-2h", "has none of CM's forms"),
        ("0m", "is zero"),
        ("2017-04-20T11:50:05Z", "has none of CM's forms"),
        ("2017-04-20", "has none of CM's forms"),
        ("2017-02-30 11:50:05 GMT", "is no date and time of the calendar"),
        ("2017-04-20 25:50:05 GMT", "is no date and time of the calendar"),
        ("2017-04-20 11:50:05+15", "has a zone that lies nowhere on earth"),
        ("2017-04-20 11:50:05+01:75", "has a zone that lies nowhere on earth"),
        ("1969-04-20 11:50:05 GMT", "lies outside the years 1970 to 2105"),
        ("9999-04-20 11:50:05 GMT", "lies outside the years 1970 to 2105"),
        (3600, "is neither text nor a datetime"),
    ],
)
def test_refusals(value: str, problem: str) -> None:
    """
    Anything else is refused, with its problem.
    """
    with pytest.raises(InvalidMessage) as caught:
        deadline(value, DUE)

    assert ("validity", problem) == (caught.value.field, caught.value.problem)


@settings(deadline=None)
@given(
    st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}( ?GMT|[+-][0-9:]{1,5})?", fullmatch=True)
)
def test_any_text_is_a_time_or_refused(value: str) -> None:
    """
    Any text at all is a time that a job can hold, or refused.
    """
    with contextlib.suppress(InvalidMessage):
        assert 0 < deadline(value, DUE) <= LATEST


@settings(deadline=None)
@given(st.integers(1, LATEST))
def test_what_we_write_we_read(expires_at: int) -> None:
    """
    The form we write reads back as the same second.
    """
    assert expires_at == deadline(wire(expires_at), DUE)


def test_the_form_we_write() -> None:
    """
    We write CM's absolute form, in GMT.
    """
    assert "2017-04-20 11:50:05 GMT" == wire(at(2017, 4, 20, 11, 50, 5))


@pytest.fixture
def without_time_zones(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.ZoneInfo.clear_cache()
    zoneinfo.reset_tzpath(to=[])
    yield
    zoneinfo.reset_tzpath()
    zoneinfo.ZoneInfo.clear_cache()


def test_no_time_zone_database(without_time_zones: None) -> None:
    """
    On a machine without time zones the error names the package to install; a named zone needs none.
    """
    with pytest.raises(InvalidMessage, match="tzdata"):
        deadline("2017-04-20 11:50:05", DUE)
    assert at(2017, 4, 20, 3, 50, 5) == deadline("2017-04-20 11:50:05+8", DUE)
