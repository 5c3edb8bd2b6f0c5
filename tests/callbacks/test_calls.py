"""The calls of a target in Redis: none is lost, and a target that fails is left alone for a while."""

from __future__ import annotations

import json
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmqueue import Event, Lane, Outbox, OutboxFull, State
from cmqueue.events import calls as calls_module
from cmqueue.events.calls import Call, Calls, Readiness, Verdict, readiness, targets
from cmqueue.events.packed import pack, unpack
from cmqueue.job import UnknownFormat

TARGET = "callback:shop"
PAUSES = (30.0, 60.0, 120.0)


def event(n: int = 0) -> Event:
    return Event(id=f"evt_AA1700000000000-{n}_0", type="message.delivered", at=1.0, account="default")


@pytest.fixture
def calls(each_outbox: Outbox) -> Calls:
    return Calls(each_outbox, TARGET)


def park(calls: Calls, count: int = 1, delay: float = 0.0, failures: int = 0) -> None:
    assert [] == calls.park([(event(n), delay, failures) for n in range(count)])


def take(calls: Calls, most: int = 10, lease: float = 60.0) -> list[Call]:
    found = calls.take(most, lease)
    assert found is not None
    return found


def end_waits(outbox: Outbox, target: str = TARGET) -> None:
    """Every wait and lease of calls is over."""
    key = f"cmq:{{{target}}}:due"
    for id in outbox.scripts.client.zrange(key, 0, -1):
        outbox.scripts.client.zadd(key, {id: 1})


def end_pause(outbox: Outbox, target: str = TARGET) -> None:
    assert outbox.scripts.client.hset(f"cmq:{{{target}}}:standing", "until", 1) == 0


texts = st.text(max_size=8)


@given(
    told=st.builds(
        Event,
        id=texts,
        type=texts,
        at=st.integers(0, 2**32) | st.floats(0, 2**32),
        account=texts,
        message=st.none() | texts,
        reference=st.none() | texts,
        before=st.none() | st.sampled_from(State),
        state=st.none() | st.sampled_from(State),
        reason=st.none() | texts,
        code=st.integers(0, 999),
        lane=st.none() | st.sampled_from(Lane),
        client_reference=st.none() | texts,
        campaign=st.none() | texts,
        metadata=st.none() | st.booleans() | st.dictionaries(texts, st.integers()),
        data=st.dictionaries(texts, texts),
    )
)
def test_an_event_is_read_as_it_is_packed(told: Event) -> None:
    """All of it."""
    assert told == unpack(pack(told))


def test_another_format_is_refused() -> None:
    """Never guessed at; and a field that a newer version adds is left out."""
    with pytest.raises(UnknownFormat):
        unpack(b"2{}")
    kept = json.loads(pack(event())[1:]) | {"newer": 1}
    assert event() == unpack(b"1" + json.dumps(kept).encode())


def test_a_call_is_taken_once(calls: Calls) -> None:
    """For as long as its lease lasts; then by another."""
    park(calls, 3)

    assert [event(0), event(1)] == [call.event for call in take(calls, 2)]
    assert [event(2)] == [call.event for call in take(calls)]
    assert [] == take(calls)


def test_what_waits_already_stays_as_it_is(calls: Calls, each_outbox: Outbox) -> None:
    """An event that is read twice is one call, with its failures."""
    park(calls, failures=3)
    park(calls)

    assert [3] == [call.failures for call in take(calls)]
    assert 1 == calls.standing().waiting


def test_a_lost_lease_loses_no_call(calls: Calls, each_outbox: Outbox) -> None:
    """Whoever took it and vanished; what they say later counts only if it is that it arrived."""
    park(calls)
    (first,) = take(calls)
    end_waits(each_outbox)
    (second,) = take(calls, lease=61)

    assert not calls.settle(first, Verdict.RETRY, delay=9).ours
    assert not calls.settle(first, Verdict.DEAD).ours
    assert 0 == calls.standing().dead
    assert calls.settle(second, Verdict.DONE).ours
    assert 0 == calls.standing().waiting
    assert not calls.settle(second, Verdict.RETRY).ours


def test_one_that_arrived_after_its_lease_is_done(calls: Calls, each_outbox: Outbox) -> None:
    """Nobody needs to send it again."""
    park(calls)
    (late,) = take(calls)
    end_waits(each_outbox)
    take(calls, lease=61)

    calls.settle(late, Verdict.DONE)
    end_waits(each_outbox)
    assert [] == take(calls)


def test_a_retry_counts_and_waits(calls: Calls, each_outbox: Outbox) -> None:
    """It is not due before its delay, and knows how often it failed. Given back it counts nothing."""
    park(calls)
    calls.settle(take(calls)[0], Verdict.RETRY, delay=60)
    assert [] == take(calls)
    end_waits(each_outbox)

    (call,) = take(calls)
    calls.settle(call, Verdict.BACK)
    assert [1] == [call.failures for call in take(calls)]


def test_what_fails_on_is_paused_by_doubling_waits(calls: Calls, each_outbox: Outbox) -> None:
    """After so many failures in a row; then one call alone is a probe, and one success ends it."""
    park(calls, 9)
    taken = take(calls, 3)
    pauses = [calls.settle(call, Verdict.RETRY, pause_after=3, pauses=PAUSES).pause for call in taken]
    assert [0.0, 0.0, 30.0] == pauses
    assert calls.take(9, 60) is None

    for pause in [60.0, 120.0, 120.0]:
        end_pause(each_outbox)
        (probe,) = take(calls, 9)
        assert probe.probe
        assert calls.take(9, 60) is None  # while it is under way
        assert pause == calls.settle(probe, Verdict.RETRY, pause_after=3, pauses=PAUSES).pause

    end_pause(each_outbox)
    (probe,) = take(calls, 9)
    calls.settle(probe, Verdict.DONE)
    end_waits(each_outbox)
    assert 8 == len(take(calls, 9))
    assert 0 == calls.standing().failures


def test_a_pause_burns_no_attempt(calls: Calls, each_outbox: Outbox) -> None:
    """Failures of calls in flight when it began lengthen it no further, and nothing else is tried."""
    park(calls, 6)
    taken = take(calls, 4)
    pauses = [calls.settle(call, Verdict.RETRY, pause_after=2, pauses=PAUSES).pause for call in taken]

    assert [0.0, 30.0, 0.0, 0.0] == pauses
    end_pause(each_outbox)
    end_waits(each_outbox)
    calls.resume()
    assert [0, 0, 1, 1, 1, 1] == sorted(call.failures for call in take(calls))


def test_a_probe_that_is_given_back_is_made_again(calls: Calls, each_outbox: Outbox) -> None:
    """By the next who asks."""
    park(calls, 2)
    calls.settle(take(calls, 1)[0], Verdict.RETRY, pause_after=1, pauses=PAUSES)
    end_pause(each_outbox)
    (probe,) = take(calls)
    calls.settle(probe, Verdict.BACK)

    assert [True] == [call.probe for call in take(calls)]


def test_a_target_that_is_off_gets_nothing(calls: Calls) -> None:
    """Until it is resumed; what waits is kept."""
    park(calls, 2)
    calls.settle(take(calls, 1)[0], Verdict.OFF, delay=0)

    assert calls.take(1, 60) is None
    assert (True, 2) == (calls.standing().off, calls.standing().waiting)
    assert calls.resume()
    assert 2 == len(take(calls))
    assert not calls.resume()


def test_the_dead_are_kept_and_come_again(calls: Calls) -> None:
    """With why; as new when they are redriven."""
    park(calls, 2)
    for call in take(calls):
        calls.settle(call, Verdict.DEAD, why="500")

    first, second = calls.dead()
    assert (event(0), "500", 1) == (first.event, first.why, first.failures)
    assert 7 * 24 * 3600 == pytest.approx(first.until - first.at, abs=1)
    assert [event(1).id] == calls.redrive([event(1).id, "evt_AA1-0_9"])
    assert [0] == [call.failures for call in take(calls)]
    assert [first] == calls.dead()
    assert second not in calls.dead()


def test_the_dead_are_bounded(calls: Calls, each_outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest make room, and those past their time go."""
    monkeypatch.setattr(calls_module, "MOST_DEAD", 3)
    park(calls, 7)
    for call in take(calls, 5):
        calls.settle(call, Verdict.DEAD, why="500")
    assert [event(n) for n in (2, 3, 4)] == [one.event for one in calls.dead()]

    each_outbox.scripts.client.zadd(f"cmq:{{{TARGET}}}:dead", {event(2).id: 1, event(3).id: 1})
    calls.settle(take(calls, 1)[0], Verdict.DEAD, why="500")
    assert [event(n) for n in (4, 5)] == [one.event for one in calls.dead()]
    assert 2 == each_outbox.scripts.client.hlen(f"cmq:{{{TARGET}}}:buried")


def test_there_is_room_for_so_many(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    """What finds none is named, and what waits already needs none."""
    monkeypatch.setattr(calls_module, "MOST_WAITING", 2)

    assert [event(2).id] == calls.park([(event(n), 0.0, 0) for n in range(3)])
    assert [] == calls.park([(event(n), 0.0, 0) for n in range(2)])


def test_a_call_of_a_newer_version_holds_up_no_other(calls: Calls, each_outbox: Outbox) -> None:
    """It waits for that version."""
    park(calls, 2)
    each_outbox.scripts.client.hset(f"cmq:{{{TARGET}}}:waiting", event(0).id, b"002{}")

    assert [event(1)] == [call.event for call in take(calls)]
    assert 2 == calls.standing().waiting


def test_a_full_redis_is_emptied(calls: Calls, each_outbox: Outbox) -> None:
    """At its `maxmemory` it takes no new calls, and lets go of those that it has."""
    park(calls, 3)
    client = each_outbox.scripts.client
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(OutboxFull):
            calls.park([(event(9), 0.0, 0)])
        done, again, dead = take(calls)
        calls.settle(done, Verdict.DONE)
        calls.settle(again, Verdict.RETRY, delay=60)
        calls.settle(dead, Verdict.DEAD, why="500")
    finally:
        client.config_set("maxmemory", 0)

    assert (1, 1) == (calls.standing().waiting, calls.standing().dead)


def test_who_is_ready(each_outbox: Outbox) -> None:
    """In one look at many targets."""
    names = ["due", "later", "none", "paused", "off"]
    for name in islice(names, 5):
        if name != "none":
            park(Calls(each_outbox, name), delay=60.0 if name == "later" else 0.0)
    Calls(each_outbox, "paused").pause(1, PAUSES)
    Calls(each_outbox, "off").settle(take(Calls(each_outbox, "off"))[0], Verdict.OFF)

    told = readiness(each_outbox, names)
    assert {
        "due": Readiness(held=False, due=True),
        "later": Readiness(held=False, due=False),
        "none": Readiness(held=False, due=False),
        "paused": Readiness(held=True, due=True),
    } == {name: told[name] for name in names[:4]}
    assert told["off"].held
    assert ["due", "later", "off", "paused"] == targets(each_outbox)


def test_a_target_is_forgotten_whole(calls: Calls, each_outbox: Outbox) -> None:
    """Calls, the dead, standing and name."""
    park(calls, 2)
    calls.settle(take(calls, 1)[0], Verdict.DEAD)
    calls.forget()

    assert [] == targets(each_outbox)
    assert [] == each_outbox.scripts.client.keys("cmq:{callback*")
