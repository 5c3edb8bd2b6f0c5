"""The numbers of a file, counted."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmqueue.campaign.census import SAMPLE, Census, Sample, Seen


@given(st.lists(st.one_of(st.integers(-9, 9), st.integers(-(2**63), 2**63 - 1))))
def test_what_was_seen_before(values: list[int]) -> None:
    """It says what a set would say, for any hash."""
    seen, known = Seen(), set[int]()
    for value in values:
        assert (value % 2**64 or 1) in known or seen.add(value)
        assert value in seen
        known.add(value % 2**64 or 1)

    assert not any(seen.add(value) for value in values)


def test_many_are_seen() -> None:
    """It grows, and forgets none."""
    seen = Seen()

    assert all(seen.add(hash(str(value))) for value in range(20_000))
    assert all(hash(str(value)) in seen for value in range(20_000))
    assert not any(hash(str(value)) in seen for value in range(20_000, 30_000))


def test_the_text_that_a_number_gets() -> None:
    """Another text, or the same text for another number, is not it."""
    census = Census(opaque=False)
    census.give("0031600000001", "a")

    assert [True, False, False] == [
        census.gives(*pair)
        for pair in (("0031600000001", "a"), ("0031600000001", "b"), ("0031600000002", "a"))
    ]


@given(st.integers(0, 300), st.integers(1, 50))
def test_a_sample_has_all_or_its_size(count: int, size: int) -> None:
    """Of few it takes all, of many as many as it may, none twice."""
    sample = Sample(size)
    for at in range(1, count + 1):
        if at == sample.wants:
            sample.take((str(at), at))

    assert min(count, size) == len(set(sample.taken))


def test_a_sample_is_even() -> None:
    """Each tenth of a large file has about a tenth of the sample."""
    sample = Sample(2_000)
    for at in range(1, 100_001):
        if at == sample.wants:
            sample.take(("", at))
    tenths = Counter((at - 1) // 10_000 for _, at in sample.taken)

    assert all(150 < tenths[tenth] < 250 for tenth in range(10))


def census_of(*numbers: str) -> Census:
    census = Census(opaque=False)
    for line, number in enumerate(numbers, start=2):
        census.add(number, line)
    return census


def test_numbers_by_country() -> None:
    """By calling code, the most frequent first; the longest country of a code leads its regions."""
    countries = census_of("0031600000001", "0031600000002", "00447700900123", "0012025550123").countries()

    assert [(31, ("NL",), 2), (44, "GB", 1), (1, "US", 1)] == [
        (country.code, country.regions if country.code == 31 else country.regions[0], country.numbers)
        for country in countries
    ]


def test_a_number_of_no_country() -> None:
    """A code that is nobody's is told as such."""
    assert [(None, (), 1)] == census_of("00210123456789").countries()


@pytest.mark.parametrize(
    ("number", "problem"),
    [("00316123", "in no numbering plan"), ("00442079460123", "landlines"), ("0012025550123", None)],
)
def test_what_the_numbering_plan_says(number: str, problem: str | None) -> None:
    """Numbers that can't exist, and those that take no message, are told with their lines."""
    looked_at, doubts = census_of(number).doubts()

    assert 1 == looked_at
    assert ([] if problem is None else [(problem, 1, [2])]) == doubts


def test_ids_of_a_channel_have_no_country() -> None:
    """Where recipients are opaque only repeats are counted."""
    census = Census(opaque=True)

    assert [True, False] == [census.add("a PSID", 2), census.add("a PSID", 3)]
    assert ([], (0, [])) == (census.countries(), census.doubts())


def test_a_large_file_is_sampled() -> None:
    """No more than a sample is asked of the numbering plans."""
    census = Census(opaque=False)
    for at in range(SAMPLE * 2):
        census.add(f"00316{at:08}", at)

    assert SAMPLE == census.doubts()[0]
