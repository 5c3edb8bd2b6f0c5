"""Safeguard: alarms, and when an account is slowed."""

from __future__ import annotations

import pytest
from desk import NUMBER, Desk, report

from cmqueue import Outbox
from cmqueue.hold import holds
from config.errands import ErrandSettings
from demo.valkey import RunningServer
from receivers.processing.receive import build
from receivers.processing.safeguard import LONGEST, RECIPIENTS, slowed_for

LIMIT, BLOCKED = 47, 28
TEXT = "Message blocked by Safeguard"


@pytest.fixture
def desk(outbox: Outbox) -> Desk:
    return Desk(outbox)


def _fail(desk: Desk, count: int, code: int = LIMIT, *, account: str = "default", begin: int = 0) -> None:
    """So many messages to as many recipients are blocked by Safeguard."""
    bodies = []
    for n in range(begin, begin + count):
        number = f"0031600{n:06}"
        receipt = desk.sent(number, account=account)
        bodies.append(report(receipt.reference, number, 1, code, TEXT))
    desk.receive(*bodies)


def test_each_is_an_alarm_once_a_minute(desk: Desk) -> None:
    """For each account and code."""
    _fail(desk, 3)
    _fail(desk, 2, begin=3)
    _fail(desk, 1, BLOCKED, begin=5)
    _fail(desk, 1, account="second")

    assert [("default", 47, 3), ("default", 28, 1), ("second", 47, 1)] == [
        (line["account"], line["code"], line["reports"]) for line in desk.told("account.safeguarded")
    ]
    assert {"error"} == set(desk.levels("account.safeguarded"))
    assert [] == desk.slowed


def test_28_without_its_text_is_no_safeguard(desk: Desk) -> None:
    """It meant suspected spam once."""
    receipt = desk.sent()

    desk.receive(report(receipt.reference, NUMBER, 3, BLOCKED, "Spam"))

    assert [] == desk.told("account.safeguarded")


def test_ten_recipients_slow_the_account(desk: Desk) -> None:
    """For a minute; and that account alone."""
    _fail(desk, RECIPIENTS - 1)
    assert [] == desk.slowed

    _fail(desk, 1, begin=RECIPIENTS)

    assert [("default", 60.0)] == desk.slowed
    assert [("default", 60.0)] == [(line["account"], line["seconds"]) for line in desk.told("account.slowed")]


def test_one_recipient_slows_nobody(desk: Desk) -> None:
    """Somebody who was sent too much must not hold up the others' codes."""
    receipts = [desk.sent() for _ in range(30)]

    desk.receive(*(report(each.reference, NUMBER, 1, LIMIT, TEXT) for each in receipts))

    assert [] == desk.slowed


def test_a_blocked_destination_slows_nobody(desk: Desk) -> None:
    """It is refused at any pace."""
    _fail(desk, 30, BLOCKED)

    assert [] == desk.slowed


def test_what_was_sent_before_does_not_slow_it_more(desk: Desk) -> None:
    """Reports that come while the account is slowed count for nothing."""
    _fail(desk, RECIPIENTS)
    _fail(desk, 30, begin=100)

    assert 1 == len(desk.slowed)


def test_while_it_goes_on_it_is_slowed_for_longer(desk: Desk) -> None:
    """Each time twice as long, also where another process counted before; after an hour of quiet anew."""
    for n in range(6):
        _fail(desk, RECIPIENTS, begin=n * 100)
        desk.client.delete("cmq:safeguard:default:slowed")  # its time is over
        if n == 2:
            desk = _again(desk)
    assert [60, 120, 240, 480, 900, 900] == [seconds for _, seconds in desk.slowed]
    assert 3600 < desk.client.ttl("cmq:safeguard:default:times") <= 3600 + 900

    desk.client.delete("cmq:safeguard:default:times")
    _fail(desk, RECIPIENTS, begin=900)
    assert 60 == desk.slowed[-1][1]


def _again(desk: Desk) -> Desk:
    """Another process, which goes on with the same notes."""
    other = Desk(desk.outbox)
    other.slowed = desk.slowed
    return other


def test_the_longest() -> None:
    """A quarter of an hour, however long it has gone on."""
    assert LONGEST == slowed_for(10_000)


def test_all_of_the_account_is_slowed(valkey: RunningServer) -> None:
    """The errand as a worker has it: each shard's partition is held, and says why; no other account's is."""
    settings = ErrandSettings.from_env({"CMQUEUE_REDIS_URL": valkey.url, "CMQUEUE_SHARDS": "2"})
    with Outbox(settings) as outbox:
        outbox.scripts.client.flushall()
        desk = Desk(outbox)
        desk.errand = build(settings, outbox)
        outbox.registry.partition("default", 1)
        outbox.registry.partition("second")

        _fail(desk, RECIPIENTS)

        assert [("default", "stopped:safeguard")] * 2 == [(hold.account, hold.why) for hold in holds(outbox)]
