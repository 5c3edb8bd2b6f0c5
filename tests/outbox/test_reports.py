"""Status reports: whatever comes, in whatever order and however often, the highest fact is the state."""

from __future__ import annotations

import itertools
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inside import ACCEPTED, DEAD, DOUBTED, REJECTED, RETRIED, Inside, key_of

from cmqueue import Message, Outbox, Receipt, State
from cmqueue.report import FACTS, Merged, Report, merge, merged, spellings
from cmqueue.settings import LibrarySettings
from demo.valkey import RunningServer

ANSWER = "answer"
NUMBER = "0031600000001"
CODES = {State.ACCEPTED: 0, State.FAILED: 3, State.DELIVERED: 2, State.READ: 4}


def _enqueue(inside: Inside, **options: object) -> Receipt:
    return inside.outbox.enqueue(Message(sender="Acme", to=NUMBER, text="hi"), **options)


def _report(receipt: Receipt, code: int, error: int = 0) -> Report:
    return Report(receipt.reference, NUMBER, code, error)


def _merge(inside: Inside, *reports: Report) -> list[Merged | None]:
    return merge(inside.outbox, reports)


def test_all_orders_end_in_the_same_state(inside: Inside) -> None:
    """The answer and the four facts in all their 120 orders, each fact twice: read, and the books balance."""
    for order in itertools.permutations((ANSWER, *CODES.values())):
        receipt = _enqueue(inside)
        batch = inside.batch(limit=1)
        inside.mark(batch)
        for step in order:
            if step == ANSWER:
                inside.settle(batch, ACCEPTED)
            else:
                _merge(inside, _report(receipt, int(step)), _report(receipt, int(step)))
        assert State.READ is inside.state(key_of(receipt.id)), order
    inside.check()
    assert {State.READ: 120} == +inside.outbox.audit().finished


@pytest.mark.parametrize("answer", [ACCEPTED, REJECTED, RETRIED, DOUBTED, DEAD], ids=lambda fate: fate.state)
@pytest.mark.parametrize("facts", [(3, 2), (0, 3), (1,), (0,), (2, 0)], ids=str)
def test_the_answer_may_be_any_and_come_first_or_last(
    inside: Inside, facts: tuple[int, ...], answer: object
) -> None:
    """What CM reports of a message outweighs what we made of its answer."""
    ends = set()
    for answer_first in (True, False):
        receipt = _enqueue(inside)
        batch = inside.batch(limit=1)
        inside.mark(batch)
        if answer_first:
            inside.settle(batch, answer)  # type: ignore[arg-type]
        for code in facts:
            _merge(inside, _report(receipt, code))
        if not answer_first:
            inside.settle(batch, answer)  # type: ignore[arg-type]
        ends.add(inside.state(key_of(receipt.id)))
    inside.check()
    assert {reduce(merged, (FACTS[code] for code in facts))} == ends


@given(st.sampled_from(State), st.lists(st.sampled_from(list(CODES)), min_size=1), st.randoms())
def test_the_law_knows_no_order(state: State, facts: list[State], chance: object) -> None:
    """Merging is the same in any order, and once more changes nothing."""
    shuffled = sorted(facts + facts[:1], key=lambda _: chance.random())  # type: ignore[attr-defined]

    assert reduce(merged, facts, state) == reduce(merged, shuffled, state)


def test_a_report_before_the_answer_is_no_alarm(inside: Inside) -> None:
    """CM may be quicker than its own answer: the message is being posted."""
    receipt = _enqueue(inside)
    inside.mark(inside.batch())

    (told,) = _merge(inside, _report(receipt, 2))

    assert Merged(receipt.id, State.POSTING, State.DELIVERED, State.DELIVERED) == told
    assert told is not None
    assert not told.never_sent


def test_what_was_reported_is_not_sent(inside: Inside) -> None:
    """A report of a message that waits: Redis forgot that it was sent, so it is taken back, with an alarm."""
    receipt = _enqueue(inside)

    (told,) = _merge(inside, _report(receipt, 2))

    assert told is not None
    assert told.never_sent
    claim, _ = inside.claim_telling()
    assert not hasattr(claim, "jobs")
    inside.check()


@pytest.mark.parametrize("until", ["doubt", "unknown", "resend"])
def test_a_report_ends_doubt(inside: Inside, until: str) -> None:
    """An ambiguous message is settled, an unknown one corrected, a resend that has not begun revoked."""
    receipt = _enqueue(inside, guarantee="at_least_once" if until == "resend" else "at_most_once")
    inside.deliver(fate=DOUBTED)
    if until != "doubt":
        inside.end_doubt()
        inside.sweep()

    (told,) = _merge(inside, _report(receipt, 0))

    assert told is not None
    assert State.ACCEPTED is told.after is inside.state(key_of(receipt.id))
    claim, _ = inside.claim_telling()
    assert not hasattr(claim, "jobs")
    inside.check()


def test_a_failure_keeps_cms_standard_error(inside: Inside) -> None:
    """History tells why it failed."""
    receipt = _enqueue(inside)
    inside.deliver()

    _merge(inside, _report(receipt, 3, 23))

    status = inside.outbox.status(receipt.id)
    assert status is not None
    assert (State.FAILED, "receipt", 23) == (status.state, status.reason, status.code)


@pytest.mark.parametrize("code", [1, 3])
def test_7_is_not_final(inside: Inside, code: int) -> None:
    """A "failure" that the network still works on proves that CM took the message, and no more."""
    receipt = _enqueue(inside)
    inside.deliver()

    (told,) = _merge(inside, _report(receipt, code, 7))

    assert told is not None
    assert State.ACCEPTED is told.fact is inside.state(key_of(receipt.id))


@pytest.mark.parametrize("error", [-1, 1 << 16, 10**30])
def test_an_error_that_a_row_cannot_hold_is_left_out(inside: Inside, error: int) -> None:
    """The message has failed all the same."""
    receipt = _enqueue(inside)
    inside.deliver()

    (told,) = _merge(inside, _report(receipt, 3, error))

    assert told is not None
    assert State.FAILED is told.after


def test_failed_and_delivered_is_a_conflict(inside: Inside) -> None:
    """Either order: that it arrived counts, and the second of them says that they differ."""
    for first, second in ((2, 3), (3, 2), (4, 1), (3, 4)):
        receipt = _enqueue(inside)
        inside.deliver()
        _merge(inside, _report(receipt, first))

        (told,) = _merge(inside, _report(receipt, second))

        assert told is not None
        assert told.conflict
        assert State.FAILED is not inside.state(key_of(receipt.id))
    (again,) = _merge(inside, _report(receipt, 4))
    assert again is not None
    assert not again.conflict


@pytest.mark.parametrize("number", ["0031600000001", "+31600000001", "31600000001"])
def test_the_number_in_any_of_cms_forms(inside: Inside, number: str) -> None:
    """With 00, with +, and with neither."""
    receipt = _enqueue(inside)

    assert [receipt.id] == [told and told.id for told in _merge(inside, Report(receipt.reference, number, 2))]


def test_an_id_of_a_channel_s_own_is_kept_as_it_is() -> None:
    """What is no number has one spelling."""
    assert ["psid-x1"] == spellings("psid-x1")


def test_the_reference_in_lower_case(inside: Inside) -> None:
    """References are compared without case."""
    receipt = _enqueue(inside)

    assert [None] != _merge(inside, Report(receipt.reference.lower(), NUMBER, 2))


@pytest.mark.parametrize(
    "report",
    [
        Report("AAAAAAAAAAAAAAAA", NUMBER, 2),
        Report("", NUMBER, 2),
        Report("my_reference_123", NUMBER, 2),
        Report("A" * 5000, NUMBER, 2),
    ],
    ids=["unknown", "empty", "another's", "very long"],
)
def test_a_report_of_nothing_of_ours_is_none(inside: Inside, report: Report) -> None:
    """Unknown references change nothing."""
    before = inside.dump()

    assert [None] == _merge(inside, report)
    assert before == inside.dump()


def test_another_number_under_the_reference_is_none(inside: Inside) -> None:
    """(reference, number) names a message."""
    receipt = _enqueue(inside)

    assert [None] == _merge(inside, Report(receipt.reference, "0031600000002", 2))


def test_a_code_that_nobody_knows_proves_nothing(inside: Inside) -> None:
    """CM may have codes that this release does not know."""
    receipt = _enqueue(inside)
    inside.deliver()

    assert [None] == _merge(inside, _report(receipt, 17))
    assert State.ACCEPTED is inside.state(key_of(receipt.id))


def test_a_broadcast_s_recipients_are_told_apart(inside: Inside) -> None:
    """They share a reference."""
    sale = inside.outbox.broadcast({"sender": "Acme", "text": "Sale"}, [f"003160000000{n}" for n in range(3)])

    told = _merge(inside, *(Report(sale.reference, f"003160000000{n}", 2 + n % 2) for n in range(3)))

    assert [receipt.id for receipt in sale] == [one and one.id for one in told]
    assert [State.DELIVERED, State.FAILED, State.DELIVERED] == [one and one.after for one in told]
    inside.check()


def test_more_than_one_call_takes(inside: Inside) -> None:
    """Any number of reports, each with its own message."""
    receipts = list(
        inside.outbox.enqueue_many(
            {"sender": "Acme", "to": f"003160000{n:04}", "text": "hi"} for n in range(1200)
        )
    )

    told = _merge(inside, *(Report(one.reference, f"003160000{n:04}", 2) for n, one in enumerate(receipts)))

    assert [one.id for one in receipts] == [one and one.id for one in told]
    inside.check()


def test_a_message_of_an_older_key(valkey: RunningServer) -> None:
    """While a secret key is rotated, messages named by the old one are found."""
    old, new = "o" * 32, "n" * 32
    with Outbox(LibrarySettings.from_env(_keyed(valkey, old))) as outbox:
        outbox.scripts.client.flushall()
        receipt = outbox.enqueue(Message(sender="Acme", to=NUMBER, text="hi"))
    with Outbox(LibrarySettings.from_env(_keyed(valkey, f"{old},{new}"))) as outbox:
        outbox.registry.agree()
    with Outbox(LibrarySettings.from_env(_keyed(valkey, f"{new},{old}"))) as outbox:
        (told,) = merge(outbox, [_report(receipt, 2)])

    assert told is not None
    assert receipt.id == told.id


def _keyed(server: RunningServer, keys: str) -> dict[str, str]:
    return {"CMQUEUE_REDIS_URL": server.url, "CMQUEUE_SECRET_KEY": keys}


def test_a_repr_shows_no_number() -> None:
    """It may end up in a log."""
    assert NUMBER not in repr(Report("AAAAAAAAAAAAAAAA", NUMBER, 2))


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        (2, 0, "CM reports that it was delivered."),
        (4, 0, "CM reports that it was read."),
        (3, 0, "CM reports that it failed: it does not say why."),
        (3, 24, "CM reports that it failed: the subscriber is absent for now (standard error 24)."),
        (3, 999, "CM reports that it failed: standard error 999, which nobody has documented."),
    ],
)
def test_what_a_report_told_is_explained(inside: Inside, code: int, error: int, said: str) -> None:
    """In a sentence, with what CM's standard error means."""
    receipt = _enqueue(inside)
    inside.deliver()
    _merge(inside, _report(receipt, code, error))

    assert said == inside.outbox.explain(receipt.id)
