"""What of the streams of events can go."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmqueue import Outbox, Subscription
from cmqueue.events.event import news
from cmqueue.events.trimming import Place, Reading, boundary, stream_of, trim
from cmqueue.partition import Partition

places = st.builds(Place, st.integers(0, 50), st.integers(0, 3))


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    last = draw(places)
    return Reading(last, draw(st.none() | places.filter(lambda place: place <= last)))


@given(
    groups=st.lists(readings(), max_size=4), entry=places, now=st.integers(0, 100), kept=st.integers(0, 60)
)
def test_what_somebody_needs_stays(groups: list[Reading], entry: Place, now: int, kept: int) -> None:
    """An entry that a group was not given, or has not acknowledged, is not counted among the acknowledged."""
    needed = any(
        entry > group.last or (group.first_pending is not None and entry >= group.first_pending)
        for group in groups
    )
    cut = boundary(groups, now, kept)

    if needed or not groups:
        assert not entry < cut.acknowledged
    assert (entry < cut.old) == (entry.ms < max(now - kept, 0))


@given(groups=st.lists(readings(), min_size=1, max_size=4), entry=places)
def test_what_nobody_needs_goes(groups: list[Reading], entry: Place) -> None:
    """An entry that every group was given, before all that any waits for, goes."""
    passed = all(
        entry <= group.last and (group.first_pending is None or entry < group.first_pending)
        for group in groups
    )

    assert passed == (entry < boundary(groups, 0, 0).acknowledged)


@given(place=places)
def test_a_place_is_read_as_it_is_written(place: Place) -> None:
    """And its successor is the least one behind it."""
    assert place == Place.parse(str(place))
    assert place < place.following


def tell(outbox: Outbox, code: str, count: int = 1, at_ms: int | None = None) -> None:
    for n in range(count):
        id = "*" if at_ms is None else f"{at_ms}-{n}"
        fields: Any = news("inbound.received", at=1.0, data={"n": n})
        outbox.scripts.client.xadd(stream_of(code), fields, id=id)


def length(outbox: Outbox, code: str) -> int:
    return int(outbox.scripts.client.xlen(stream_of(code)))


def test_what_all_have_acknowledged_goes(each_outbox: Outbox, partition: Partition) -> None:
    """And what one of two readers still has in hand stays."""
    one, other = (Subscription(each_outbox, name).opened() for name in ("one", "other"))
    tell(each_outbox, partition.code, 5)
    one.done(one.read())
    held = other.read()
    other.done(held[:2])

    assert (0, 3) == (trim(each_outbox), length(each_outbox, partition.code))
    other.done(held[2:])
    assert (0, 0) == (trim(each_outbox), length(each_outbox, partition.code))


def test_what_nobody_reads_goes_after_its_time(
    each_outbox: Outbox, partition: Partition, caplog: pytest.LogCaptureFixture
) -> None:
    """With an alarm that says how much, and whose; and who is behind waits for nothing that is gone."""
    quick, slow = (Subscription(each_outbox, name).opened() for name in ("quick", "slow"))
    tell(each_outbox, partition.code, 3, at_ms=1000)
    tell(each_outbox, partition.code)
    quick.done(quick.read())
    assert 3 == len(slow.read(3))

    assert 3 == trim(each_outbox)
    (alarm,) = [record for record in caplog.records if record.getMessage() == "events.dropped"]
    assert (3, ["slow"]) == (vars(alarm)["entries"], vars(alarm)["groups"])
    assert 1 == length(each_outbox, partition.code)
    assert 0 == each_outbox.scripts.client.xpending(stream_of(partition.code), "slow")["pending"]
    assert 1 == len(slow.read())
    assert 0 == trim(each_outbox)


def test_a_stream_goes_with_its_last_reader(each_outbox: Outbox, partition: Partition) -> None:
    """Without a subscriber events cost nothing again."""
    one, other = (Subscription(each_outbox, name).opened() for name in ("one", "other"))
    client = each_outbox.scripts.client
    tell(each_outbox, partition.code)

    one.end()
    assert client.exists(stream_of(partition.code))
    other.end()
    assert not client.exists(stream_of(partition.code))
    other.end()  # may be repeated


def test_a_stream_without_readers_is_swept_up(each_outbox: Outbox, partition: Partition) -> None:
    """Whoever took the last group out by hand."""
    Subscription(each_outbox, "one").open()
    each_outbox.scripts.client.xgroup_destroy(stream_of(partition.code), "one")

    assert 0 == trim(each_outbox)
    assert not each_outbox.scripts.client.exists(stream_of(partition.code))


def test_the_dead_of_a_reader_s_processes_are_forgotten(each_outbox: Outbox, partition: Partition) -> None:
    """Not one that holds something, nor one that asked a moment ago."""
    client = each_outbox.scripts.client
    holds, idle = (Subscription(each_outbox, "shop", name).opened() for name in ("holds", "idle"))
    tell(each_outbox, partition.code, 2)
    holds.read(1)
    idle.done(idle.read(1))

    def named() -> set[str]:
        told = client.xinfo_consumers(stream_of(partition.code), "shop")
        return {consumer["name"].decode() for consumer in told}

    trim(each_outbox)
    assert {"holds", "idle"} == named()
    time.sleep(0.01)
    trim(each_outbox, idle_seconds=0.001)
    assert {"holds"} == named()
