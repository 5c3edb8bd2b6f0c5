"""Phone numbers as CM takes them, and magic numbers that say what becomes of their messages.

CM asks for `00`, country code, number ("Shared features"), and is known to take `+` and the bare
international form too. Magic numbers, all under +316 0000 06 to 09, so that ordinary test numbers
(0031600000xxx) never meet them:

    0031600009 + code     301 302 303 304 305 401 402 403 500 999: this recipient is rejected with that code;
                          101 102 103 202 203: the whole request is refused with that code
    0031600008 + status   401 403 413 429 500 502 503 504 520 521 522 523 524: the whole request is
                          answered by an HTML page of that HTTP status, and nothing is taken
    0031600007 + code     a standard error, as 023 or 047: accepted, and later reported failed with it
    0031600006 + course   what is reported of an accepted message: 000 nothing ever; 001 rejected, late;
                          002 delivered; 003 failed; 004 read; 009 taken by the operator, and no more
"""

from __future__ import annotations

import re
from collections.abc import Container
from random import Random

from sandbox.standard_error import STANDARD_ERRORS

_PHONE = re.compile(r"(?:00|\+)?([1-9][0-9]{5,14})")
_MAGIC = re.compile(r"00316000(0[6-9])([0-9]{3})")

ROW_CODES = frozenset({301, 302, 303, 304, 305, 401, 402, 403, 500, 999})
REQUEST_CODES = frozenset({101, 102, 103, 202, 203})
STATUSES = frozenset({401, 403, 413, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
COURSES = {0: "none", 1: "rejected", 2: "delivered", 3: "failed", 4: "read", 9: "accepted"}


def normalised(number: str) -> str:
    """A phone number in `00` form; anything else unchanged (other channels have opaque ids)."""
    if number.startswith("00"):
        return number
    match = _PHONE.fullmatch(number)
    return f"00{match[1]}" if match else number


def is_phone(number: str) -> bool:
    return _PHONE.fullmatch(number) is not None


def written(number: str, form: str, chance: Random) -> str:
    """A phone number as `form` (00, plus, bare; mixed draws one) writes it; an opaque id as it is."""
    full = normalised(number)
    if not full.startswith("00"):
        return full
    match chance.choice(("00", "plus", "bare")) if form == "mixed" else form:
        case "plus":
            return f"+{full[2:]}"
        case "bare":
            return full[2:]
    return full


def magic_row_code(number: str) -> int | None:
    """The code with which a magic number is rejected."""
    return _magic(number, "09", ROW_CODES)


def magic_request_code(number: str) -> int | None:
    """The code with which a magic number has the whole request refused."""
    return _magic(number, "09", REQUEST_CODES)


def magic_status(number: str) -> int | None:
    """The HTTP status that a magic number stands for."""
    return _magic(number, "08", STATUSES)


def magic_course(number: str) -> str | None:
    """The name of the course (`sandbox.course`) that a magic number's message takes."""
    if (error := _magic(number, "07", STANDARD_ERRORS)) is not None:
        return f"failed:{error}"
    return None if (course := _magic(number, "06", COURSES)) is None else COURSES[course]


def _magic(number: str, family: str, known: Container[int]) -> int | None:
    match = _MAGIC.fullmatch(normalised(number))
    if match is None or match[1] != family or int(match[2]) not in known:
        return None
    return int(match[2])


def magic_numbers() -> dict[str, str]:
    """Every magic number and what it does, for people."""
    return (
        {f"0031600009{code}": f"this recipient is rejected with {code}" for code in sorted(ROW_CODES)}
        | {f"0031600009{code}": f"the request is refused with {code}" for code in sorted(REQUEST_CODES)}
        | {f"0031600008{status}": f"the request gets HTTP {status}, a page" for status in sorted(STATUSES)}
        | {f"0031600007{error:03}": f"reported failed with {error}" for error in STANDARD_ERRORS}
        | {f"0031600006{code:03}": f"reported: {course}" for code, course in COURSES.items()}
    )
