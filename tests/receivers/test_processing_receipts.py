"""The errand `receive`: what becomes of status reports, and what follows from a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from desk import NUMBER, OTHER, Desk, inbound, report

from cmqueue import Outbox, State
from cmqueue.inlet import INLET, UNREADABLE, Form, Kind
from cmqueue.lane import Lane
from cmqueue.suppression import Suppressions, Why
from cmqueue.unmatched import STREAM, Unmatched
from config.errands import ErrandSettings
from demo.valkey import RunningServer, running
from receivers.processing.journal import IDS_PER_LINE
from receivers.processing.receive import build
from receivers.processing.resends import Resends

ABSENT, NETWORK, BARRED, UNLISTED, LIMIT, BLOCKED = 24, 25, 23, 37, 47, 28


@pytest.fixture
def desk(outbox: Outbox) -> Desk:
    return Desk(outbox)


def test_reports_are_merged_told_of_and_given_up(desk: Desk) -> None:
    """One line for each fact, with the ids; nothing is left in the inlet."""
    first, second, third = desk.sent(), desk.sent(OTHER), desk.sent()

    desk.receive(
        report(first.reference, NUMBER, 2),
        report(second.reference, OTHER, 2),
        report(third.reference, NUMBER, 0),
    )

    assert [State.DELIVERED, State.DELIVERED, State.ACCEPTED] == [
        desk.state(each) for each in (first, second, third)
    ]
    assert [
        {"event": "receipt.merged", "fact": "delivered", "count": 2, "ids": [first.id, second.id]},
        {"event": "receipt.merged", "fact": "accepted", "count": 1, "ids": [third.id]},
    ] == desk.told("receipt.merged")
    assert 0 == desk.client.xlen(INLET)


def test_all_three_forms(desk: Desk) -> None:
    """JSON, XML with several, and the old GET."""
    receipts = [desk.sent() for _ in range(4)]
    one, two, three, four = (receipt.reference for receipt in receipts)
    xml = "".join(
        f"<MSG><TO>{NUMBER}</TO><REFERENCE>{reference}</REFERENCE><STATUS><CODE>2</CODE></STATUS></MSG>"
        for reference in (two, three)
    )
    desk.bring(report(one, NUMBER, 2))
    desk.bring(f"<MESSAGES>{xml}</MESSAGES>".encode(), form=Form.XML)
    desk.bring(f"reference={four}&to=%2B31600000001&statuscode=200".encode(), form=Form.GET)

    desk.run()

    assert {State.DELIVERED} == {desk.state(receipt) for receipt in receipts}


def test_a_line_holds_400_ids(desk: Desk) -> None:
    """Container loggers cut long lines."""
    numbers = [f"0031600{n:06}" for n in range(IDS_PER_LINE + 1)]
    sale = desk.outbox.broadcast({"sender": "Acme", "text": "hi"}, numbers)

    desk.receive(*(report(sale.reference, number, 2) for number in numbers))

    counts = [line["count"] for line in desk.told("receipt.merged")]
    assert [IDS_PER_LINE, 1] == counts


def test_a_conflict_is_told(desk: Desk) -> None:
    """That it arrived counts."""
    receipt = desk.sent()

    desk.receive(report(receipt.reference, NUMBER, 2), report(receipt.reference, NUMBER, 3, ABSENT))

    assert State.DELIVERED is desk.state(receipt)
    assert [{"event": "receipt.conflicted", "count": 1, "ids": [receipt.id]}] == desk.told(
        "receipt.conflicted"
    )
    assert desk.resent(receipt) is None


def test_a_report_of_what_waits_is_an_alarm(desk: Desk) -> None:
    """Redis was rolled back: the message is not sent again."""
    receipt = desk.outbox.enqueue({"sender": "Acme", "to": NUMBER, "text": "hi"})

    desk.receive(report(receipt.reference, NUMBER, 2))

    assert ["critical"] == desk.levels("receipt.never_sent")
    assert [[receipt.id]] == [line["ids"] for line in desk.told("receipt.never_sent")]


def test_reports_of_no_message_are_counted_and_kept(desk: Desk) -> None:
    """With the number masked, for a day."""
    desk.receive(
        report("AAAAAAAAAAAAAAAA", NUMBER, 3, ABSENT), report("0031600000009", NUMBER, 2), report("", "", 2)
    )

    assert [{"event": "receipt.unmatched", "count": 3}] == desk.told("receipt.unmatched")
    assert 3 == Unmatched(desk.outbox).count()
    first, second, third = [fields for _, fields in desk.client.xrange(STREAM)]
    assert (b"AAAAAAAAAAAAAAAA", b"3", b"24") == (first[b"reference"], first[b"code"], first[b"error"])
    assert b"600000" not in b"".join((*first.values(), *second.values()))
    assert b"" == third[b"number"]
    assert 0 < desk.client.ttl(STREAM) <= 24 * 3600


def test_an_unknown_status_code_changes_nothing(desk: Desk) -> None:
    """It is kept as it came, with an alarm."""
    receipt = desk.sent()

    desk.receive(report(receipt.reference, NUMBER, 77, 5))

    assert State.ACCEPTED is desk.state(receipt)
    assert [{"event": "receipt.unknown_status", "code": 77, "count": 1}] == desk.told(
        "receipt.unknown_status"
    )
    ((_, kept),) = desk.client.xrange(STREAM)
    assert (b"77", b"5") == (kept[b"code"], kept[b"error"])


def test_an_unknown_standard_error_is_kept_raw(desk: Desk) -> None:
    """The message has failed, its history has the number, and nothing follows."""
    receipt = desk.sent()

    desk.receive(report(receipt.reference, NUMBER, 3, 999))

    status = desk.outbox.status(receipt.id)
    assert status is not None
    assert (State.FAILED, 999) == (status.state, status.code)
    assert desk.resent(receipt) is None


def test_what_cannot_be_read_stops_nothing(desk: Desk) -> None:
    """It is set aside with an alarm; of a request that is partly readable the rest is merged."""
    receipt, other = desk.sent(), desk.sent()
    good = json.loads(report(other.reference, NUMBER, 2))["messages"]["msg"]
    half = json.dumps({"messages": {"msg": [{"to": NUMBER}, good]}}).encode()

    desk.receive(b"\0", half, b"[" * 1000, report(receipt.reference, NUMBER, 2))

    assert {State.DELIVERED} == {desk.state(receipt), desk.state(other)}
    assert 3 == desk.client.xlen(UNREADABLE)


class _Poisoned(Resends):
    """Resending raises what nobody foresaw."""

    def again(self, *_: object) -> None:
        raise ZeroDivisionError(NUMBER)


def test_what_nobody_foresaw_stops_nothing(outbox: Outbox) -> None:
    """The entry that raises is set aside, its neighbours are done, and the log does not hold its words."""
    desk = Desk(outbox, resends=_Poisoned(outbox, tuple(Lane), most=3))
    receipts = [desk.sent() for _ in range(3)]

    desk.receive(
        *(
            report(each.reference, NUMBER, 3, code)
            for each, code in zip(receipts, (5, ABSENT, 5), strict=True)
        )
    )

    assert {State.FAILED} == {desk.state(each) for each in receipts}
    assert ["ZeroDivisionError"] == [line["error"] for line in desk.told("inlet.failed")]
    assert 1 == desk.client.xlen(UNREADABLE)
    assert "600000001" not in json.dumps(desk.logs)


def test_a_partition_that_redis_refuses_stops_no_other(desk: Desk) -> None:
    """Its entries stay, and are taken up again; the others are done."""
    good, bad = desk.sent(), desk.sent(account="second")
    rows = f"{desk.outbox.registry.partition('second').prefix}rows:{bad.id[2:6]}"
    desk.client.delete(rows)
    desk.client.set(rows, "not a hash")
    desk.bring(report(bad.reference, NUMBER, 2), report(good.reference, NUMBER, 2))

    desk.run()

    assert State.DELIVERED is desk.state(good)
    assert 1 == desk.client.xlen(INLET)
    assert ["inlet.left"] == [line["event"] for line in desk.told("inlet.left")]
    assert not desk.errand.waiting(), "it would be tried without end"


@pytest.fixture
def full_redis() -> Iterator[RunningServer]:
    with running() as server:
        yield server


def test_a_full_redis_still_takes_what_came(full_redis: RunningServer) -> None:
    """What frees the inlet works when there is no memory left."""
    with Outbox.from_env({"CMQUEUE_REDIS_URL": full_redis.url}) as outbox:
        desk = Desk(outbox)
        receipt = desk.sent()
        desk.bring(report(receipt.reference, NUMBER, 3, LIMIT), report("AAAAAAAAAAAAAAAA", NUMBER, 2))
        desk.run()  # with everything loaded once
        desk.bring(report(receipt.reference, NUMBER, 2), report("AAAAAAAAAAAAAAAA", NUMBER, 2))
        desk.bring(inbound("Hello"), kind=Kind.INBOUND)
        desk.client.config_set("maxmemory", 1)

        desk.run()

        assert State.DELIVERED is desk.state(receipt)
        assert 0 == desk.client.xlen(INLET)


# --- what follows from a failure ---------------------------------------------------------------------


@pytest.mark.parametrize("error", [BARRED, UNLISTED])
def test_a_dead_number_is_suppressed(desk: Desk, error: int) -> None:
    """For the account of the message, whatever the sender."""
    receipt = desk.sent(account="second")

    desk.receive(report(receipt.reference, "+31600000001", 3, error))

    (entry,) = Suppressions(desk.outbox).of(NUMBER)
    assert ("second", None, Why.UNREACHABLE) == (entry.account, entry.sender, entry.why)


def test_what_arrived_is_not_suppressed(desk: Desk) -> None:
    """A failure after it arrived is a conflict, and leads to nothing."""
    receipt = desk.sent()

    desk.receive(report(receipt.reference, NUMBER, 2), report(receipt.reference, NUMBER, 3, BARRED))

    assert [] == Suppressions(desk.outbox).of(NUMBER)


def test_of_a_contested_partition_nothing_follows(desk: Desk) -> None:
    """Nobody can tell whose message it was; no account is made of the two names."""
    receipt = desk.sent(account="second")
    codes = desk.client.hgetall("cmq:partitions")
    desk.client.hset("cmq:partitions", "third:0", codes[b"second:0"])

    desk.receive(report(receipt.reference, NUMBER, 3, BARRED))

    assert [] == Suppressions(desk.outbox).of(NUMBER)
    assert 2 == desk.client.hlen("cmq:partitions")


@pytest.mark.parametrize(("error", "least", "most"), [(NETWORK, 120, 240), (ABSENT, 1800, 3000)])
def test_a_passing_failure_is_resent(desk: Desk, error: int, least: float, most: float) -> None:
    """After minutes or half an hour, once, however often it is reported."""
    receipt = desk.sent()

    desk.receive(*[report(receipt.reference, NUMBER, 3, error)] * 3)

    new = desk.resent(receipt)
    assert new is not None
    assert State.SCHEDULED is new.state
    assert least < desk.due(new.id) - desk.client.time()[0] < most
    assert 2 == desk.outbox.audit().enqueued


def test_the_settings_say_which_lanes_resend(desk: Desk) -> None:
    """As a worker has them; no lane where they say nothing."""
    for lanes, resent in (("", False), ("normal,bulk", True)):
        settings = ErrandSettings.from_env({"CMQUEUE_RESEND_FAILED": lanes})
        desk.errand = build(settings, desk.outbox)
        receipt = desk.sent()
        desk.receive(report(receipt.reference, NUMBER, 3, NETWORK))

        assert resent == (desk.resent(receipt) is not None)
    assert desk.outbox.audit().balanced


def test_what_arrives_after_all_is_not_resent(desk: Desk) -> None:
    """A failure was wrong: the new message is cancelled."""
    receipt = desk.sent()
    desk.receive(report(receipt.reference, NUMBER, 3, NETWORK))

    desk.receive(report(receipt.reference, NUMBER, 2))

    new = desk.resent(receipt)
    assert new is not None
    assert State.CANCELLED is new.state


@pytest.mark.parametrize("error", [0, 5, 7, 20, 27, 29, 30, 31, 33, 999])
def test_other_failures_are_not_resent(desk: Desk, error: int) -> None:
    """Nor are reports that are not final."""
    receipt = desk.sent()

    desk.receive(report(receipt.reference, NUMBER, 3, error))

    assert desk.resent(receipt) is None


def test_what_waits_is_not_resent(desk: Desk) -> None:
    """Redis has forgotten that it was sent; it may have forgotten that it was resent, too."""
    receipt = desk.outbox.enqueue({"sender": "Acme", "to": NUMBER, "text": "hi"})

    desk.receive(report(receipt.reference, NUMBER, 3, NETWORK))

    assert desk.resent(receipt) is None


def test_a_report_that_was_not_finished_is_followed_again(desk: Desk) -> None:
    """A process died between merging and its consequences: whoever takes over catches up."""
    receipt = desk.sent()
    told = report(receipt.reference, NUMBER, 3, BARRED)
    desk.receive(told)
    Suppressions(desk.outbox).remove(NUMBER)
    desk.bring_of_old((Kind.STATUS, told))

    desk.run()

    assert 1 == len(Suppressions(desk.outbox).of(NUMBER))


def test_no_number_and_no_secret_in_the_log(desk: Desk) -> None:
    """Of everything that can happen to a report."""
    receipt = desk.sent()
    for code, error, text in (
        (0, 0, ""),
        (3, NETWORK, "canary"),
        (3, LIMIT, "canary"),
        (2, 0, ""),
        (77, 1, ""),
    ):
        desk.bring(
            report(receipt.reference, NUMBER, code, error, text), report("canary", NUMBER, code, error)
        )
    desk.bring(b"canary", NUMBER.encode())

    desk.run()

    written = repr(desk.logs)
    assert [] == [word for word in ("600000001", "canary") if word in written]
