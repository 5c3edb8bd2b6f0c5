"""The table of codes against the documented lists."""

from __future__ import annotations

import pytest

from worker import codes
from worker.answer import NoAnswerKind
from worker.codes import TABLE, Action, Level

#: CM's page "Responses & errors (JSON)", with the status enums of CM's SDKs.
DOCUMENTED = [0, 101, 102, 103, 201, 202, 203, 301, 302, 303, 304, 305, 401, 402, 403, 500, 999]


@pytest.mark.parametrize("level", [Level.REJECTED_ROW, Level.REQUEST])
def test_every_documented_code_has_its_line_at_both_levels(level: Level) -> None:
    """
    Every documented code is mapped, for a message and for a request.
    """
    assert [] == [code for code in DOCUMENTED if codes.known(level, code) is None]


def test_every_http_status_has_its_line() -> None:
    """
    Every status from 100 to 599 is mapped, with a Retry-After and without.
    """
    assert [] == [status for status in range(100, 600) if codes.known(Level.STATUS, status) is None]


def test_every_kind_of_no_answer_has_its_line() -> None:
    """
    Every kind of no answer is mapped, and only one of them proves that nothing was sent.
    """
    actions = {kind: codes.of_no_answer(kind).action for kind in NoAnswerKind}

    assert Action.RECONNECT == actions.pop(NoAnswerKind.NOT_CONNECTED)
    assert {Action.DOUBT} == set(actions.values())


def test_no_key_stands_twice_but_to_narrow_a_range() -> None:
    """
    A single key has one line per level: nothing in the table is dead.
    """
    single = [(entry.level, entry.key) for entry in TABLE if not isinstance(entry.key, range)]

    assert len(set(single)) == len(single)


@pytest.mark.parametrize("code", [-1, 1, 100, 104, 204, 300, 306, 404, 501, 998, 1000, 10**12])
def test_an_undocumented_code_is_doubt(code: int) -> None:
    """
    A code nobody documented proves nothing, in whichever place.
    """
    assert Action.DOUBT == codes.of_row(code, accepted=False).action
    assert Action.DOUBT == codes.of_row(code, accepted=True).action
    assert Action.DOUBT == codes.of_request(code).action


@pytest.mark.parametrize("status", [-1, 0, 99, 600, 999])
def test_a_number_that_is_no_status_is_doubt(status: int) -> None:
    """
    An answer with a status outside of HTTP proves nothing.
    """
    assert Action.DOUBT == codes.of_status(status, has_retry_after=True).action


@pytest.mark.parametrize(
    ("action", "found"),
    [
        (Action.REJECT, [301, 302, 303, 304, 305, 401, 402, 403]),
        (Action.DEFER, [500, 999]),
        (Action.STOP_ACCOUNT, [101, 102, 103]),
        (Action.DOUBT, [0, 201, 202, 203]),
    ],
)
def test_what_a_rejected_row_means(action: Action, found: list[int]) -> None:
    """
    An explicit Rejected row is final, passing or the account's fault by its code.
    """
    assert found == [code for code in DOCUMENTED if codes.of_row(code, accepted=False).action is action]


@pytest.mark.parametrize(
    ("action", "found"),
    [
        (Action.READ_ROWS, [0, 201]),
        (Action.STOP_ACCOUNT, [101, 102, 103]),
        (Action.REFUSE_WHOLE, [202, 203]),
        (Action.DOUBT, [301, 302, 303, 304, 305, 401, 402, 403, 500, 999]),
    ],
)
def test_what_a_request_code_means(action: Action, found: list[int]) -> None:
    """
    A request's code points to its rows, to the account, to the request, or to nothing.
    """
    assert found == [code for code in DOCUMENTED if codes.of_request(code).action is action]


@pytest.mark.parametrize(
    ("action", "found"),
    [
        (Action.STOP_ACCOUNT, [307, 308, 401, 403, 404, 405, 407, 410]),
        (Action.REFUSE_WHOLE, [413]),
        (Action.OVERLOAD, [429]),
    ],
)
def test_what_a_status_proves(action: Action, found: list[int]) -> None:
    """
    These statuses prove that nothing was taken; every other one is doubt.
    """
    statuses = range(100, 600)

    assert found == [s for s in statuses if codes.of_status(s, has_retry_after=False).action is action]


def test_a_503_is_a_refusal_only_with_a_retry_after() -> None:
    """
    A 503 that says when to come back is a refusal; a bare one may come from anywhere.
    """
    assert Action.OVERLOAD == codes.of_status(503, has_retry_after=True).action
    assert Action.DOUBT == codes.of_status(503, has_retry_after=False).action
