"""What an answer of the Transactions API says of the messages of one reference. Pure.

    {"status": 1, "message": "Ok", "pagination": {"currentPage": 1, "totalPages": 1, "pageSize": 1000},
     "result": [{"reference": "…", "recipient": "0031600000001", "status": 20, "standarderror": null, …}], …}

Only a row of the reference asked for proves anything, and only by a status that is known. How soon CM shows a
message is undocumented: an answer without rows proves nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

#: This API's scale to the codes of status reports (`cmqueue.report.FACTS`). CM's page shows 20, delivered;
#: that 37 is accepted, 21 failed and 40 rejected is how a public client reads it.
CODES = {37: 0, 20: 2, 21: 3, 40: 1}
_LONGEST_ERROR = 0xFFFF


class Told(NamedTuple):
    """What one row tells: of `number`, as CM writes it, a status report's `code`, and CM's standard error."""

    number: str
    code: int
    error: int
    description: str

    def __repr__(self) -> str:
        return f"Told(code={self.code}, error={self.error})"


class Page(NamedTuple):
    """One page: what it tells, which it is, and how many there are."""

    told: list[Told]
    number: int
    of: int


def page(body: bytes, reference: str) -> Page | None:
    """The page in `body`, as far as it is about `reference`; None where it is no answer of this API."""
    try:
        document = orjson.loads(body)
    except ValueError:
        return None
    answer = _folded(document)
    rows = answer.get("result")
    if not isinstance(rows, list) or _whole(answer.get("status")) != 1:
        return None
    pagination = _folded(answer.get("pagination"))
    told = [one for row in rows if (one := _told(_folded(row), reference)) is not None]
    return Page(told, _whole(pagination.get("currentpage")) or 1, _whole(pagination.get("totalpages")) or 1)


def _told(row: dict[str, Any], reference: str) -> Told | None:
    code = CODES.get(_whole(row.get("status")))
    named, number = row.get("reference"), row.get("recipient")
    if code is None or not isinstance(named, str) or named.upper() != reference.upper():
        return None
    if isinstance(number, int) and not isinstance(number, bool):
        number = str(number)
    if not isinstance(number, str) or row.get("direction", "out") not in ("out", "", None):
        return None
    error = _whole(row.get("standarderror"))
    said = row.get("errordescription")
    return Told(
        number.strip(),
        code,
        error if 0 <= error <= _LONGEST_ERROR else 0,
        said if isinstance(said, str) else "",
    )


def _folded(found: object) -> dict[str, Any]:
    """An object with its keys in lower case, which CM may write in any; empty for another value."""
    return {key.lower(): value for key, value in found.items()} if isinstance(found, dict) else {}


def _whole(value: object) -> int:
    """A whole number, which may be written as text; -1 for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        return int(value)
    return -1
