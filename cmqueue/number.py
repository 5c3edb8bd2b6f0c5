"""Phone numbers in CM's form: `00`, the country code, the number; digits alone ("shared features" page).

Only the form is checked. Whether a number exists in its country's plan is for a pre-flight to warn of.
"""

from __future__ import annotations

import re
import unicodedata
from importlib import import_module

from cmqueue.errors import InvalidMessage

RULE = (
    "+ or 00, the country code and the number, 7 to 15 digits in all, the first not 0; "
    "spaces, dashes, dots, slashes and parentheses may stand between them"
)
LONGEST_SPELLING = 64  #: characters of a number as written, separators included

_USUAL = re.compile(r"(?:\+|00)([1-9][0-9]{6,14})")
# The parentheses of +31 (0)6 … hold the zero that is dialled only inside the country. Italy, San Marino and
# the Vatican dial it from abroad too, so there it stays.
_TRUNK_ZERO = re.compile(r"^((?:\+|00)\(?(?!39|378|379)[1-9][0-9]{0,2}\)?)\(0\)")
_DASHES = "-\u2010\u2011\u2012\u2013"
_SPACES = " \t\u00a0\u2007\u2009\u202f"
_WITHOUT_PARENTHESES = str.maketrans("", "", "()")
_WITHOUT_SEPARATORS = str.maketrans("", "", _DASHES + _SPACES + "./")
_STRANGE = re.compile(rf"[^0-9()./{re.escape(_SPACES + _DASHES)}]")
_EDGES = " \t\r\n\u00a0"


def normalise(raw: str, *, default_region: str | None = None) -> str:
    """`raw` as `00` and 7 to 15 digits; a normalised number comes back unchanged.

    Digits without + or 00 are ambiguous (a national number, or one that lost its prefix) and refused, unless
    `default_region` (an ISO 3166 country code such as "NL") says how to read them, which needs the extra
    `numbers`. Digits other than 0 to 9 are refused. Raises InvalidMessage, which never holds the number.
    """
    usual = _USUAL.fullmatch(raw) if isinstance(raw, str) else None
    return f"00{usual[1]}" if usual else _spelled(raw, default_region)


def _spelled(raw: str, default_region: str | None) -> str:
    if not isinstance(raw, str):
        raise InvalidMessage("to", "is not text", RULE)
    if len(raw) > LONGEST_SPELLING:
        raise InvalidMessage("to", f"is {len(raw)} characters long", RULE)
    stripped = raw.strip(_EDGES)
    if stripped.startswith("(+"):
        stripped = "+(" + stripped[2:]
    strange = _STRANGE.search(stripped, 1 if stripped.startswith("+") else 0)
    if strange:
        position = len(raw) - len(raw.lstrip(_EDGES)) + strange.start() + 1
        raise InvalidMessage("to", f"has {_kind(strange[0])} at position {position}", RULE)
    compact = _TRUNK_ZERO.sub(r"\1", stripped.translate(_WITHOUT_SEPARATORS), count=1)
    digits = compact.translate(_WITHOUT_PARENTHESES)
    if not digits.startswith(("+", "00")):
        digits = _national(digits, default_region)
    usual = _USUAL.fullmatch(digits)
    if usual is None:
        raise InvalidMessage("to", _misfit(digits[1:] if digits[0] == "+" else digits[2:]), RULE)
    return f"00{usual[1]}"


def _national(digits: str, region: str | None) -> str:
    """`digits` as +…, read as somebody in `region` would dial them."""
    if not digits:
        raise InvalidMessage("to", "is empty", RULE)
    if not region:
        raise InvalidMessage(
            "to", f"has {len(digits)} digits without + or 00", "a national number needs a default region"
        )
    try:
        # Imported by name and late: an extra that most installations lack, and slow to load.
        phonenumbers = import_module("phonenumbers")
    except ImportError:
        raise InvalidMessage(
            "to",
            "is a national number, and the package that reads those is missing",
            "install cmqueue[numbers], or write + or 00 and the country code",
        ) from None
    if region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidMessage(
            "to",
            "is a national number, and the default region is unknown",
            "the default region is an ISO 3166 country code of two letters",
        )
    try:
        number = phonenumbers.parse(digits, region.upper())
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise InvalidMessage(
            "to", f"has {len(digits)} digits", "a national number must be one of the default region"
        )
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _misfit(digits: str) -> str:
    if digits.startswith("0"):
        return "has 0 as the first digit of its country code"
    return f"has {len(digits)} digits after + or 00"


def _kind(character: str) -> str:
    if character == "+":
        return "a + inside"
    if character.isdecimal():
        return "a digit other than 0 to 9"
    if character.isalpha():
        return "a letter"
    return "a control character" if unicodedata.category(character).startswith("C") else "a strange character"
