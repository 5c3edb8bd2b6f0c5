"""From an answer to outcomes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmqueue.state import Reason
from worker.answer import Answer, NoAnswer, NoAnswerKind, Response
from worker.codes import Level
from worker.outcome import Accepted, Ambiguous, Deferred, Outcome, Rejected, Untaken
from worker.reading import AccountFault, Overload, read

REFERENCE = "A0BBBBCCCCCCCCCC"
PAIRS = [(REFERENCE, f"003160000000{n}") for n in range(5)]
ONE = PAIRS[:1]


def row(
    pair: tuple[str, str] = PAIRS[0], word: object = "Accepted", code: object = 0, **other: Any
) -> dict[str, Any]:
    return {
        "to": pair[1],
        "status": word,
        "reference": pair[0],
        "parts": 1 if word == "Accepted" else 0,
        "messageDetails": None,
        "messageErrorCode": code,
    } | other


def answer(rows: object, code: object = 0, status: int = 200, retry_after: float | None = None) -> Response:
    body = json.dumps({"details": "Created", "errorCode": code, "messages": rows}).encode()
    return Response(status, retry_after, body, 0.1)


def page(status: int, retry_after: float | None = None, body: bytes = b"<html>sorry</html>") -> Response:
    return Response(status, retry_after, body, 0.1)


# Rows.


def test_accepted_rows_are_accepted() -> None:
    """
    The everyday answer: every message accepted, with its parts.
    """
    reading = read(answer([row(pair, parts=3) for pair in PAIRS]), PAIRS)

    assert [Accepted(3)] * 5 == reading.outcomes
    assert (True, 0, 0) == (reading.answered, reading.missing, reading.extra)


@pytest.mark.parametrize(
    ("expected", "word", "code"),
    [
        (Accepted(1), "accepted", 0),
        (Accepted(1), "ACCEPTED", None),
        (Accepted(1), "Accepted", "0"),
        (Rejected(303), "Rejected", 303),
        (Rejected(303), "rejected", "303"),
        (Rejected(401), "Rejected", 401),
        (Deferred(Reason.RETRY_REJECTED, 500), "Rejected", 500),
        (Deferred(Reason.RETRY_REJECTED, 999), "Rejected", 999),
        (Untaken(Reason.ACCOUNT_STOPPED, 102), "Rejected", 102),
        (Ambiguous(Reason.UNKNOWN_CODE, 777), "Rejected", 777),
        (Ambiguous(Reason.UNKNOWN_CODE, 0), "Rejected", 10**9),
        (Ambiguous(Reason.UNKNOWN_CODE, 0), "Rejected", 0),
        (Ambiguous(Reason.UNKNOWN_CODE, 0), "Rejected", None),
        (Ambiguous(Reason.UNKNOWN_CODE, 303), "Accepted", 303),
        (Ambiguous(Reason.UNREADABLE_ANSWER), "Accepted", "none"),
        (Ambiguous(Reason.UNREADABLE_ANSWER), "Accepted", False),
        (Ambiguous(Reason.UNREADABLE_ANSWER), "Queued", 0),
        (Ambiguous(Reason.UNREADABLE_ANSWER), None, 0),
    ],
)
def test_a_row_means_what_its_word_and_code_agree_on(expected: Outcome, word: object, code: object) -> None:
    """
    Word and code decide together; where they contradict each other, or say nothing known, there is doubt.
    """
    assert [expected] == read(answer([row(word=word, code=code, parts=1)]), ONE).outcomes


@pytest.mark.parametrize("status", [200, 201, 302, 400, 401, 403, 413, 429, 500, 502, 503])
def test_rows_outweigh_the_status(status: int) -> None:
    """
    A row is CM's own word about a message, whatever the status around it.
    """
    reading = read(answer([row(), row(PAIRS[1], "Rejected", 304)], 201, status, 5.0), PAIRS[:2])

    assert [Accepted(1), Rejected(304)] == reading.outcomes
    assert (None, None, None) == (reading.account_fault, reading.overloaded, reading.refused_whole)


@pytest.mark.parametrize("written", ["0031600000000", "+31600000000", "31600000000", 31600000000])
def test_a_number_is_known_in_any_form(written: object) -> None:
    """
    CM may write a number with 00, with + or bare.
    """
    assert [Accepted(1)] == read(answer([row(to=written)]), ONE).outcomes


def test_references_compare_without_case() -> None:
    """
    A reference in lower case is still ours.
    """
    assert [Accepted(1)] == read(answer([row(reference=REFERENCE.lower())]), ONE).outcomes


def test_an_opaque_recipient_is_compared_as_it_is() -> None:
    """
    Case and signs of an opaque recipient distinguish.
    """
    pairs = [(REFERENCE, "aB+1"), (REFERENCE, "ab+1")]

    assert [Ambiguous(Reason.ROW_MISSING), Accepted(1)] == read(answer([row(pairs[1])]), pairs).outcomes


def test_recipients_that_only_look_alike_are_told_apart() -> None:
    """
    Two opaque recipients, of which one could be the other's bare form, match only exactly.
    """
    pairs = [(REFERENCE, "12345"), (REFERENCE, "0012345")]
    reading = read(answer([row(pairs[1], "Rejected", 302), row(to="+12345")]), pairs)

    assert [Ambiguous(Reason.ROW_MISSING), Rejected(302)] == reading.outcomes
    assert 1 == reading.extra


@pytest.mark.parametrize("echoed", [None, ""])
def test_without_references_the_number_decides(echoed: str | None) -> None:
    """
    A trial account gets no references back: a number that is in the request once is enough.
    """
    pairs = [(REFERENCE, PAIRS[0][1]), (REFERENCE, PAIRS[1][1]), ("A0BBBBDDDDDDDDDD", PAIRS[1][1])]
    reading = read(answer([row(pair, reference=echoed) for pair in pairs]), pairs)

    assert [Accepted(1), Ambiguous(Reason.ROW_MISSING), Ambiguous(Reason.ROW_MISSING)] == reading.outcomes


def test_keys_are_read_in_any_case() -> None:
    """
    "JSON keys are case insensitive", says CM; so are ours.
    """
    body = json.dumps(
        {"DETAILS": "", "ERRORCODE": 201, "Messages": [{k.upper(): v for k, v in row().items()}]}
    )

    assert [Accepted(1)] == read(page(200, body=body.encode()), ONE).outcomes


def test_a_byte_order_mark_is_skipped() -> None:
    """
    A body that begins with a byte order mark is read.
    """
    assert [Accepted(1)] == read(page(200, body=b"\xef\xbb\xbf" + answer([row()]).body), ONE).outcomes


def test_equal_rows_of_one_message_agree() -> None:
    """
    A row said twice counts once.
    """
    reading = read(answer([row(parts=2), row(parts=2)]), ONE)

    assert ([Accepted(2)], 1) == (reading.outcomes, reading.extra)


def test_contradicting_rows_of_one_message_are_doubt() -> None:
    """
    Two rows that contradict each other prove nothing.
    """
    reading = read(answer([row(), row(word="Rejected", code=303)]), ONE)

    assert ([Ambiguous(Reason.UNREADABLE_ANSWER)], 1) == (reading.outcomes, reading.extra)


def test_rows_of_others_are_counted_and_ignored() -> None:
    """
    A row that is none of ours changes nothing.
    """
    reading = read(answer([row(), row(("ZZ", "0031600000999"))]), ONE)

    assert ([Accepted(1)], 1) == (reading.outcomes, reading.extra)


@pytest.mark.parametrize(
    ("parts", "expected"), [(-4, 0), ("x", 0), (None, 0), (2.5, 0), ("3", 3), (10**6, 255)]
)
def test_odd_parts_stay_within_a_byte(parts: object, expected: int) -> None:
    """
    Parts that make no sense never hide that the message was accepted.
    """
    assert [Accepted(expected)] == read(answer([row(parts=parts)]), ONE).outcomes


def test_the_account_stops_by_one_row() -> None:
    """
    A row that blames the account stops it, beside rows that were accepted.
    """
    reading = read(answer([row(), row(PAIRS[1], "Rejected", 102)], 201), PAIRS[:2])

    assert [Accepted(1), Untaken(Reason.ACCOUNT_STOPPED, 102)] == reading.outcomes
    assert AccountFault(Level.REJECTED_ROW, 102, "balance insufficient") == reading.account_fault


def test_the_account_stops_by_its_code_beside_rows() -> None:
    """
    Rows decide about their messages, the request's code about the account; who has no row is in doubt.
    """
    reading = read(answer([row()], 101), PAIRS[:2])

    assert [Accepted(1), Ambiguous(Reason.ROW_MISSING)] == reading.outcomes
    assert AccountFault(Level.REQUEST, 101, "authentication failed") == reading.account_fault


# The whole request.


@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize("code", [101, 102, 103])
def test_the_account_stops_by_cms_code(code: int, status: int) -> None:
    """
    101, 102 and 103 in CM's envelope: nothing was taken, and the account is at fault.
    """
    reading = read(answer([], code, status), PAIRS)

    assert [Untaken(Reason.ACCOUNT_STOPPED, code)] * 5 == reading.outcomes
    assert (Level.REQUEST, code) == (reading.account_fault.level, reading.account_fault.code)  # type: ignore[union-attr]
    assert reading.answered


@pytest.mark.parametrize("status", [307, 308, 401, 403, 404, 405, 407, 410])
def test_the_account_stops_by_a_page(status: int) -> None:
    """
    A page that shuts the door stops the account, but is no answer of CM's.
    """
    reading = read(page(status), PAIRS)

    assert [Untaken(Reason.ACCOUNT_STOPPED, status)] * 5 == reading.outcomes
    assert (Level.STATUS, status) == (reading.account_fault.level, reading.account_fault.code)  # type: ignore[union-attr]
    assert not reading.answered


@pytest.mark.parametrize("code", [202, 203])
def test_a_request_refused_as_a_whole(code: int) -> None:
    """
    202 and 203: CM took nothing and blames the request.
    """
    reading = read(answer([], code, 400), PAIRS)

    assert [Untaken(Reason.REQUEST_REFUSED, code)] * 5 == reading.outcomes
    assert (code, True, None) == (reading.refused_whole, reading.answered, reading.account_fault)


def test_a_request_too_large() -> None:
    """
    413 refuses the request as a whole; a page has no words of CM's, so the table's are told.
    """
    reading = read(page(413), PAIRS)

    assert (413, "request too large") == (reading.refused_whole, reading.said)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"details":"No such thing","errorCode":202,"messages":[]}', "No such thing"),
        (b'{"DETAILS":"No such thing","errorcode":202}', "No such thing"),
        (b'{"details":"","errorCode":202,"messages":[]}', "malformed request"),
        (b'{"details":{"a":1},"errorCode":202,"messages":[]}', "malformed request"),
    ],
)
def test_the_words_of_a_refusal(body: bytes, said: str) -> None:
    """
    CM's details, else the table's meaning; they stay out of the reading's repr.
    """
    reading = read(Response(400, None, body, 0.1), PAIRS)

    assert said == reading.said
    assert said not in repr(reading)


@pytest.mark.parametrize(("status", "wait"), [(429, 7.0), (429, None), (503, 7.0)])
def test_a_refusal_by_load(status: int, wait: float | None) -> None:
    """
    429, and 503 with a Retry-After: nothing was taken, come back later.
    """
    reading = read(page(status, wait), ONE)

    assert [Untaken(Reason.OVERLOADED, status, wait)] == reading.outcomes
    assert (Overload(wait), False) == (reading.overloaded, reading.answered)


@pytest.mark.parametrize(("status", "code"), [(429, 999), (401, 500), (413, 999)])
def test_a_status_that_proves_outweighs_a_code_that_does_not(status: int, code: int) -> None:
    """
    Where CM's envelope proves nothing, a status that refuses still does.
    """
    assert isinstance(read(answer([], code, status), ONE).outcomes[0], Untaken)


@pytest.mark.parametrize("status", [403, 413, 429])
@pytest.mark.parametrize("code", [0, 201])
def test_a_code_of_what_was_sent_contradicts_a_status_that_refuses(status: int, code: int) -> None:
    """
    "All" or "some were sent" under a refusal: nobody knows, so nothing is sent again as if it were not taken.
    """
    assert isinstance(read(answer([], code, status), ONE).outcomes[0], Ambiguous)


@pytest.mark.parametrize("code", [500, 999])
@pytest.mark.parametrize("status", [200, 400, 500, 503])
def test_an_internal_error_without_rows_is_doubt(status: int, code: int) -> None:
    """
    500 and 999 without rows may have come after the message was taken.
    """
    reading = read(answer([], code, status), PAIRS)

    assert [Ambiguous(Reason.SERVER_ERROR, code)] * 5 == reading.outcomes
    assert not reading.answered


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 524])
def test_a_server_error_without_envelope_is_doubt(status: int) -> None:
    """
    A gateway's error page says nothing about what stands behind the gateway.
    """
    assert [Ambiguous(Reason.SERVER_ERROR, status)] == read(page(status), ONE).outcomes


@pytest.mark.parametrize("status", [200, 204, 301, 302, 303, 304, 400, 408, 422])
@pytest.mark.parametrize(
    "body", [b"", b"OK", b"[]", b"{}", b'{"messages": []}', b'{"errorCode": "no"}', b"\xff", b"null"]
)
def test_an_answer_not_in_cms_words_is_doubt(status: int, body: bytes) -> None:
    """
    Not JSON, or not CM's envelope: nobody knows.
    """
    reading = read(page(status, body=body), ONE)

    assert ([Ambiguous(Reason.UNREADABLE_ANSWER, status)], False) == (reading.outcomes, reading.answered)


@pytest.mark.parametrize("rows", [[], None, {}, "all", [1, None, []]])
@pytest.mark.parametrize("code", [0, 201])
def test_an_envelope_without_rows_is_doubt(code: int, rows: object) -> None:
    """
    "Fine", without a row that says for whom, is no proof.
    """
    reading = read(answer(rows, code), PAIRS)

    assert [Ambiguous(Reason.ROW_MISSING, code)] * 5 == reading.outcomes
    assert 5 == reading.missing


@pytest.mark.parametrize(
    ("expected", "kind"),
    [
        (Untaken(Reason.NOT_CONNECTED), NoAnswerKind.NOT_CONNECTED),
        (Ambiguous(Reason.READ_TIMEOUT), NoAnswerKind.READ_TIMEOUT),
        (Ambiguous(Reason.CONNECTION_LOST), NoAnswerKind.CONNECTION_LOST),
        (Ambiguous(Reason.UNREADABLE_ANSWER), NoAnswerKind.TOO_LARGE),
        (Ambiguous(Reason.UNREADABLE_ANSWER), NoAnswerKind.GARBLED),
    ],
)
def test_no_answer(expected: Outcome, kind: NoAnswerKind) -> None:
    """
    Without an answer only a connection that never stood proves anything.
    """
    reading = read(NoAnswer(kind, "OSError", 1.0), PAIRS)

    assert ([expected] * 5, False) == (reading.outcomes, reading.answered)


# Laws.

WORDS = st.sampled_from(
    [("Accepted", 0), ("Rejected", 303), ("Rejected", 500), ("Rejected", 777), ("Odd", 0)]
)


@given(
    st.lists(WORDS, min_size=5, max_size=5).flatmap(
        lambda w: st.tuples(st.just(w), st.permutations(range(5)))
    )
)
def test_the_order_of_rows_is_of_no_matter(drawn: tuple[list[tuple[str, int]], list[int]]) -> None:
    """
    Any order of the rows leads to the same outcomes.
    """
    words, order = drawn
    rows = [row(pair, word, code) for pair, (word, code) in zip(PAIRS, words, strict=True)]

    assert read(answer(rows), PAIRS) == read(answer([rows[index] for index in order]), PAIRS)


@given(st.lists(WORDS, min_size=5, max_size=5), st.integers(0, 4))
def test_a_row_that_is_missing_puts_its_message_in_doubt_and_no_other(
    words: list[tuple[str, int]], gone: int
) -> None:
    """
    Without its row a message is ambiguous; the others are as before.
    """
    rows = [row(pair, word, code) for pair, (word, code) in zip(PAIRS, words, strict=True)]
    whole = read(answer(rows), PAIRS).outcomes
    reading = read(answer(rows[:gone] + rows[gone + 1 :]), PAIRS)

    assert [*whole[:gone], Ambiguous(Reason.ROW_MISSING), *whole[gone + 1 :]] == reading.outcomes
    assert 1 == reading.missing


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["errorCode", "messages", "to", "reference", "status", "parts", "messageErrorCode", "Status"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)
ENVELOPES = st.builds(
    lambda code, rows: json.dumps({"errorCode": code, "messages": rows}).encode(),
    JSON,
    st.lists(JSON, max_size=3),
)
BODIES = st.binary() | JSON.map(lambda value: json.dumps(value).encode()) | ENVELOPES
ANSWERS: st.SearchStrategy[Answer] = st.builds(
    Response, st.integers(0, 700), st.none() | st.floats(0, 900), BODIES, st.just(0.1)
) | st.builds(NoAnswer, st.sampled_from(NoAnswerKind), st.just("OSError"), st.just(0.1))
PAIRED = st.lists(
    st.tuples(st.sampled_from(["A0B", "A0C", ""]), st.sampled_from(["1", "001", "x", ""])), max_size=5
)


@given(ANSWERS, PAIRED)
def test_every_answer_can_be_read(given_answer: Answer, pairs: list[tuple[str, str]]) -> None:
    """
    Whatever came back, every message gets exactly one outcome, and codes fit into a row's two bytes.
    """
    outcomes = read(given_answer, pairs).outcomes

    assert len(pairs) == len(outcomes)
    assert all(0 <= getattr(outcome, "code", 0) <= 65535 for outcome in outcomes)
