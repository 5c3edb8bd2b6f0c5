from __future__ import annotations

import re
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cmqueue.errors import InvalidMessage
from cmqueue.number import LONGEST_SPELLING, normalise

CM_FORM = re.compile(r"00[1-9][0-9]{6,14}")
unhurried = settings(deadline=None)  # the machine may be busy; these are not about speed
international = st.from_regex(r"[1-9][0-9]{6,14}", fullmatch=True)
separators = st.text(" -./\u00a0\u2011\u2013\u202f", max_size=2)


@pytest.mark.parametrize(
    "spelled",
    [
        "0031600000001",
        "+31600000001",
        "+31 6 0000 0001",
        "+31-6-00.00.00.01",
        "0031/600000001",
        "00 31 6 00000001",
        "+31\u00a06\u00a000000001",
        "+31\u20116\u201300000001",
        "(+31) 6 00000001",
        "+(31) 600000001",
        "+31 (6) 00000001",
        " +31600000001\r\n",
        "\t+31600000001",
    ],
)
def test_usual_spellings(spelled: str) -> None:
    """
    However people write an international number, CM gets 00, country code and number.
    """
    assert "0031600000001" == normalise(spelled)


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ("+31 (0)6 0000 0001", "0031600000001"),
        ("0031(0)600000001", "0031600000001"),
        ("+44 (0) 7700 900123", "00447700900123"),
        ("(+44) (0)7700 900123", "00447700900123"),
        ("+39 (0)6 0000 0001", "00390600000001"),
        ("+1 (600) 000-0001", "0016000000001"),
    ],
)
def test_zero_in_parentheses(spelled: str, expected: str) -> None:
    """
    A zero in parentheses after the country code is not dialled from abroad, but for Italy, where it is.
    """
    assert expected == normalise(spelled)


@pytest.mark.parametrize(
    ("spelled", "problem"),
    [
        ("", "is empty"),
        (" -(). ", "is empty"),
        ("+", "has 0 digits after + or 00"),
        ("00", "has 0 digits after + or 00"),
        ("+316000", "has 6 digits after + or 00"),
        ("+3160000000000001", "has 16 digits after + or 00"),
        ("+0031600000001", "has 0 as the first digit of its country code"),
        ("0000000000", "has 0 as the first digit of its country code"),
        ("+3160000000a", "has a letter at position 12"),
        ("  +31x", "has a letter at position 6"),
        ("+31+600000001", "has a + inside at position 4"),
        ("++31600000001", "has a + inside at position 2"),
        ("+3160000000\u0661", "has a digit other than 0 to 9 at position 12"),
        ("+31600000001;", "has a strange character at position 13"),
        ("+316\x000000001", "has a control character at position 5"),
        ("+316\u200e00000001", "has a control character at position 5"),
        ("+31600000001 ext 2", "has a letter at position 14"),
        ("31600000001", "has 11 digits without + or 00"),
        ("0600000001", "has 10 digits without + or 00"),
        ("+31" + " " * LONGEST_SPELLING, f"is {LONGEST_SPELLING + 3} characters long"),
    ],
)
def test_refusals(spelled: str, problem: str) -> None:
    """
    What is not a number is refused with what is wrong and where.
    """
    with pytest.raises(InvalidMessage) as caught:
        normalise(spelled)

    assert ("to", problem) == (caught.value.field, caught.value.problem)


@pytest.mark.parametrize("raw", [31600000001, None, b"+31600000001", ["+31600000001"]])
def test_only_text(raw: object) -> None:
    """
    A number that is not text is refused, not guessed at: an integer has lost its zeros.
    """
    with pytest.raises(InvalidMessage, match="is not text"):
        normalise(raw)  # type: ignore[arg-type] # what an untyped caller may do


@unhurried
@given(digits=international, data=st.data())
def test_every_spelling_of_a_number_is_the_same(digits: str, data: st.DataObject) -> None:
    """
    With + or with 00, with separators anywhere: one number.
    """
    prefix = data.draw(st.sampled_from(["+", "00"]))
    spelled = prefix + "".join(data.draw(separators) + digit for digit in digits)

    assert f"00{digits}" == normalise(spelled[:LONGEST_SPELLING]) or len(spelled) > LONGEST_SPELLING


@unhurried
@given(spelled=st.text() | st.text("0123456789+-() .", max_size=24))
@example("00(0)1234567")
@example("+1(0)1234567")
def test_any_text_is_a_number_or_refused(spelled: str) -> None:
    """
    Any text at all becomes CM's form, and normalising that changes nothing; or it is refused.
    """
    try:
        number = normalise(spelled)
    except InvalidMessage:
        return

    assert CM_FORM.fullmatch(number)
    assert number == normalise(number)


@unhurried
@given(before=st.text(max_size=8), after=st.text(max_size=8))
def test_no_error_holds_the_number(before: str, after: str) -> None:
    """
    A refusal never shows the number, wherever the mistake stands.
    """
    try:
        normalise(f"{before}31600000123{after}")
    except InvalidMessage as refusal:
        assert "600000123" not in str(refusal)  # noqa: PT017 - the text may as well be accepted
        assert refusal.__context__ is None  # noqa: PT017


def test_national_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A national number without the package that reads it is refused, naming the extra to install.
    """
    monkeypatch.setitem(sys.modules, "phonenumbers", None)

    with pytest.raises(InvalidMessage, match=r"cmqueue\[numbers\]"):
        normalise("0600000001", default_region="NL")


def test_international_needs_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A default region changes nothing for a number with + or 00.
    """
    monkeypatch.setitem(sys.modules, "phonenumbers", None)

    assert "00447700900123" == normalise("+44 7700 900123", default_region="NL")


@pytest.mark.parametrize(
    ("spelled", "region", "expected"),
    [
        ("0600000001", "NL", "0031600000001"),
        ("06-0000 0001", "nl", "0031600000001"),
        ("(06) 0000 0001", "NL", "0031600000001"),
        ("31600000001", "NL", "0031600000001"),
        ("07700 900123", "GB", "00447700900123"),
    ],
)
def test_national_with_a_default_region(spelled: str, region: str, expected: str) -> None:
    """
    A default region says which country's national form a number has.
    """
    pytest.importorskip("phonenumbers")

    assert expected == normalise(spelled, default_region=region)


@pytest.mark.parametrize(
    ("spelled", "region", "problem"),
    [
        ("06", "NL", "has 2 digits"),
        ("060000000000000000", "NL", "has 18 digits"),
        ("0600000001", "XX", "is a national number, and the default region is unknown"),
    ],
)
def test_national_refusals(spelled: str, region: str, problem: str) -> None:
    """
    A national number that its region cannot have is refused, and so is an unknown region.
    """
    pytest.importorskip("phonenumbers")

    with pytest.raises(InvalidMessage) as caught:
        normalise(spelled, default_region=region)

    assert problem == caught.value.problem
