"""CM's standard errors: each documented code has its line, and its line says what is done."""

from __future__ import annotations

import pytest

from cmqueue.report import Report, fact_of
from cmqueue.standard_error import TABLE, Kind, NextStep, standard_error
from sandbox.standard_error import STANDARD_ERRORS

#: Of CM's page "Incoming status report", standard errors.
DOCUMENTED = {5, 7, 8, *range(20, 32), *range(33, 38), 47}


def test_every_documented_code_is_in_the_table_once() -> None:
    """A code that CM documents has one line, and so has each that the sandbox reports."""
    assert sorted(DOCUMENTED) == [error.code for error in TABLE]
    assert set(STANDARD_ERRORS) <= DOCUMENTED


@pytest.mark.parametrize(
    ("step", "codes"),
    [
        (NextStep.WAIT, {7}),
        (NextStep.SUPPRESS, {23, 37}),
        (NextStep.RESEND, {8, 21, 22, 24, 25, 26, 36}),
        (NextStep.SAFEGUARD, {47}),
        (NextStep.NOTHING, {5, 20, 27, 28, 29, 30, 31, 33, 34, 35}),
    ],
    ids=lambda value: value.value if isinstance(value, NextStep) else "",
)
def test_what_each_code_leads_to(step: NextStep, codes: set[int]) -> None:
    """The whole list, so that a changed line is a changed test."""
    assert codes == {error.code for error in TABLE if error.next_step is step}


def test_28_is_safeguard_only_where_its_text_says_so() -> None:
    """The code is older than Safeguard, and meant suspected spam."""
    old, new = (
        standard_error(28, "Spam"),
        standard_error(28, "Message blocked by SAFEGUARD Destination management"),
    )

    assert old is not None
    assert new is not None
    assert (Kind.CONTENT, NextStep.NOTHING) == (old.kind, old.next_step)
    assert (Kind.ACCOUNT, NextStep.SAFEGUARD) == (new.kind, new.next_step)


@pytest.mark.parametrize("code", [0, 1, 32, 206, 999])
def test_other_codes_are_in_no_line(code: int) -> None:
    """Nothing is guessed of what nobody has documented."""
    assert None is standard_error(code, "blocked by Safeguard")


def test_an_unknown_status_code_tells_nothing() -> None:
    """It is kept raw by those who read it, and moves no message."""
    assert None is fact_of(Report("AAAAAAAAAAAAAAAA", "0031600000001", 77, 7))
