"""The errand `receive` dies at any of its calls to Redis: whoever takes over comes to the same end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from desk import NUMBER, OTHER, Desk, inbound, report

from cmqueue import Outbox, Receipt, State
from cmqueue.inlet import GROUP, INLET, TAKE_OVER, Kind
from cmqueue.suppression import Suppressions, Why
from cmqueue.unmatched import Unmatched
from receivers.processing.receive import CONSUMER

BARRED, NETWORK, LIMIT = 23, 25, 47
LIMITED = [f"0031600001{n:03}" for n in range(10)]


class _Died(BaseException):
    """As a kill: nothing of the program's own hears of it."""


class _Mortal:
    """Lets so many calls to Redis pass, then dies: before one, or after it was heard."""

    def __init__(self, guarded: Callable[..., Any], *, calls: int, after: bool) -> None:
        self._guarded = guarded
        self._left = calls
        self._after = after

    def __call__(self, command: Any, *, spent: float = 0.0) -> Any:
        self._left -= 1
        if self._left < 0:
            if self._after:
                self._guarded(command, spent=spent)
            raise _Died
        return self._guarded(command, spent=spent)


def _scene(desk: Desk) -> dict[str, Receipt]:
    """Everything that can happen to what CM brings, in one take."""
    desk.subscribe()
    sent = {name: desk.sent(number) for name, number in (("delivered", NUMBER), ("passing", OTHER))}
    sent["barred"] = desk.sent("0031600000003")
    sent["wrong"] = desk.sent("0031600000005")
    desk.receive(report(sent["wrong"].reference, "0031600000005", 3, NETWORK))
    limited = [desk.sent(number) for number in LIMITED]
    reports = [
        report(sent["delivered"].reference, NUMBER, 2),
        report(sent["passing"].reference, OTHER, 3, NETWORK),
        report(sent["barred"].reference, "0031600000003", 3, BARRED),
        report(sent["wrong"].reference, "0031600000005", 2),
        *(report(each.reference, number, 1, LIMIT) for each, number in zip(limited, LIMITED, strict=True)),
        report("AAAAAAAAAAAAAAAA", NUMBER, 2),
    ]
    context = sent["delivered"].reference
    desk.bring_of_old(
        *((Kind.STATUS, body) for body in reports),
        (Kind.INBOUND, inbound("STOP", number="+31600000004")),
        (Kind.INBOUND, inbound("Hello", messageContext=context)),
        (Kind.EVENT, inbound(messageContext=context, event={"type": "SuggestionClick", "custom": {}})),
    )
    return sent


def _taken_over(desk: Desk) -> None:
    """What was taken and not done was taken long ago."""
    if not desk.client.xinfo_groups(INLET):
        return
    held = [one["message_id"] for one in desk.client.xpending_range(INLET, GROUP, "-", "+", 100)]
    if held:
        idle = round(TAKE_OVER * 1000) + 1
        desk.client.xclaim(INLET, GROUP, CONSUMER, 0, held, idle=idle, justid=True)


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
def test_whenever_it_dies_nothing_is_lost(outbox: Outbox, after: bool) -> None:
    """Every report is merged and told of, every step is taken, every event is there once."""
    guarded = outbox.scripts.guarded
    calls, died = 0, True
    while died:
        outbox.scripts.client.flushall()
        desk = Desk(outbox)
        sent = _scene(desk)
        outbox.scripts.guarded = _Mortal(guarded, calls=calls, after=after)  # type: ignore[method-assign]
        first = Desk(outbox)
        try:
            first.run()
            died = False
        except _Died:
            died = True
        finally:
            outbox.scripts.guarded = guarded  # type: ignore[method-assign]
        _taken_over(desk)

        desk.run()

        at = f"dies at call {calls}"
        assert 0 == desk.inlet.waiting(), at
        states = {name: desk.state(receipt) for name, receipt in sent.items()}
        failed, arrived = dict.fromkeys(("passing", "barred"), State.FAILED), State.DELIVERED
        assert failed | dict.fromkeys(("delivered", "wrong"), arrived) == states, at
        told = {
            id for line in first.told("receipt.merged") + desk.told("receipt.merged") for id in line["ids"]
        }
        assert {receipt.id for receipt in sent.values()} <= told, at
        assert desk.resent(sent["passing"]) is not None, at
        revoked = desk.resent(sent["wrong"])
        assert revoked is not None, at
        assert State.CANCELLED is revoked.state, at
        assert len(sent) + len(LIMITED) + 2 == outbox.audit().enqueued, at
        assert {("default", 60.0)} == set(first.slowed + desk.slowed), at
        lists = Suppressions(outbox)
        reasons = [entry.why for n in (3, 4) for entry in lists.of(f"003160000000{n}")]
        assert [Why.UNREACHABLE, Why.OPTED_OUT] == reasons, at
        expected = {"inbound.received": 2, "optout.received": 1, "interaction.received": 1}
        assert expected == Counter(event.type for event in desk.events()), at
        assert Unmatched(outbox).count() >= 1, at
        calls += 1
    assert calls > 15, "it calls Redis more often than that"
