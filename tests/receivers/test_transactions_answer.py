"""What an answer of the Transactions API proves, and what it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receivers.reconcile.answer import Page, Told, page

REFERENCE = "AA3KEKAJE2CL6Y6M"
ROW = {"reference": REFERENCE, "recipient": "0031600000001", "status": 20, "standarderror": None}


def answer(*rows: Any, **more: Any) -> bytes:
    pagination = {"currentPage": 1, "totalPages": 1, "pageSize": 1000}
    return json.dumps(
        {"status": 1, "message": "Ok", "pagination": pagination, "result": rows} | more
    ).encode()


def told(body: bytes) -> list[Told]:
    found = page(body, REFERENCE)
    assert found is not None
    return found.told


@pytest.mark.parametrize(("status", "code"), [(37, 0), (20, 2), (21, 3), (40, 1), ("20", 2)])
def test_four_statuses_prove_something(status: object, code: int) -> None:
    """They are a scale of their own, told here as the codes of status reports."""
    assert [Told("0031600000001", code, 0, "")] == told(answer(ROW | {"status": status}))


@pytest.mark.parametrize("status", [0, 1, 2, 22, 99, -1, None, "", "Delivered", 20.5, True, [20]])
def test_any_other_status_proves_nothing(status: object) -> None:
    """Least of all that the message was not taken."""
    assert [] == told(answer(ROW | {"status": status}))


def test_no_rows_prove_nothing() -> None:
    """How soon CM shows a message is undocumented."""
    assert Page([], 1, 1) == page(answer(message="There are no transactions available"), REFERENCE)


@pytest.mark.parametrize(
    "other",
    [
        {"reference": "AA3KEKAJE2CL6Y6X"},
        {"reference": ""},
        {"reference": None},
        {"recipient": None},
        {"recipient": True},
        {"direction": "in"},
    ],
    ids=str,
)
def test_a_row_of_something_else_proves_nothing(other: dict[str, Any]) -> None:
    """It must name the reference that was asked for, and a recipient, and be of a message that was sent."""
    assert [] == told(answer(ROW | other))


def test_spellings_do_not_matter() -> None:
    """The reference in any case, the keys too, the recipient as text or number, its error as either."""
    row = {"REFERENCE": REFERENCE.lower(), "Recipient": 31600000001, "Status": 21, "standardError": "24"}

    assert [Told("31600000001", 3, 24, "")] == told(answer(row, direction="out"))


def test_pages_are_told() -> None:
    """Which it is, and how many there are."""
    body = answer(ROW, pagination={"currentPage": 2, "totalPages": 7, "pageSize": 1})

    assert (2, 7) == page(body, REFERENCE)[1:]  # type: ignore[index]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"status":1}', b'{"status":0,"result":[]}', b'{"result":[]}']
)
def test_what_is_not_its_answer_is_none(body: bytes) -> None:
    """Then it was not asked, and is asked again."""
    assert page(body, REFERENCE) is None


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["status", "result", "pagination", "Result"]), _VALUES)
    | st.fixed_dictionaries(
        {
            "status": st.just(1),
            "result": st.lists(st.dictionaries(st.sampled_from([*ROW, "direction"]), _VALUES)),
        }
    )
)
def test_no_answer_breaks_the_reader(document: dict[str, Any]) -> None:
    """Whatever stands where, it is read as something or as nothing."""
    found = page(json.dumps(document).encode(), REFERENCE)

    assert found is None or all(one.code in (0, 1, 2, 3) and 0 <= one.error < 1 << 16 for one in found.told)
