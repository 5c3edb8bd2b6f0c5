"""The inlet: what is put in comes out until it is done, whoever dies meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from harness import eventually

from cmqueue import Outbox, OutboxFull, OutboxUnavailable
from cmqueue import inlet as module
from cmqueue.inlet import INLET, MOST_UNREADABLE, UNREADABLE, Brought, Form, Inlet, Kind
from cmqueue.settings import LibrarySettings
from demo.valkey import RunningServer

CANARY = b'{"to": "0031600000001"}'
REPORT = Brought(kind=Kind.STATUS, form=Form.JSON, account="second", body=CANARY)


@pytest.fixture
def inlet(each_outbox: Outbox) -> Inlet:
    """An empty inlet on each real server in turn."""
    return Inlet(each_outbox)


def _numbered(count: int, begin: int = 0) -> list[Brought]:
    return [
        Brought(kind=Kind.EVENT, form=Form.JSON, body=b"%d" % number)
        for number in range(begin, begin + count)
    ]


def _bodies(taken: list[module.Taken]) -> list[bytes]:
    return [one.brought.body for one in taken]


def _now_idle(outbox: Outbox, seconds: float) -> None:
    """All that is taken and not done was taken so long ago."""
    client = outbox.scripts.client
    for pending in client.xpending_range(INLET, module.GROUP, "-", "+", 1000):
        client.xclaim(
            INLET,
            module.GROUP,
            pending["consumer"],
            0,
            [pending["message_id"]],
            idle=int(seconds * 1000),
            justid=True,
        )


def test_there_is_work_where_a_take_would_give_some(each_outbox: Outbox, inlet: Inlet) -> None:
    """Not while others work on all there is; again when that lies for too long."""
    found = [inlet.ready()]
    inlet.put(_numbered(2))
    found.append(inlet.ready())
    inlet.take("one", 1)
    found.append(inlet.ready())
    inlet.take("one", 1)
    found.append(inlet.ready())
    _now_idle(each_outbox, module.TAKE_OVER + 1)
    found.append(inlet.ready())

    assert [False, True, True, False, True] == found


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("form", list(Form))
def test_what_is_put_in_comes_out(inlet: Inlet, kind: Kind, form: Form) -> None:
    """Kind, form, account and every byte of the body come out as they went in, with the time they came."""
    brought = Brought(kind=kind, form=form, account="second", body=bytes(range(256)))

    inlet.put([brought])

    (taken,) = inlet.take("one", 10)
    assert brought == taken.brought
    assert abs(time.time() - taken.seconds) < 30


def test_the_stream_has_the_fields_that_are_agreed(inlet: Inlet, each_outbox: Outbox) -> None:
    """Receivers and workers of two versions meet in this format."""
    inlet.put([REPORT])

    ((_, fields),) = each_outbox.scripts.client.xrange(INLET)
    assert {b"v": b"1", b"k": b"status", b"f": b"json", b"a": b"second", b"b": CANARY} == fields


def test_many_come_out_in_their_order_and_once(inlet: Inlet) -> None:
    """Each entry goes to one consumer, the oldest first, as many at once as it asks for."""
    inlet.put(_numbered(5))
    inlet.put(_numbered(2, 5))

    assert [b"0", b"1", b"2"] == _bodies(inlet.take("one", 3))
    assert [b"3", b"4", b"5", b"6"] == _bodies(inlet.take("two", 10))
    assert [] == inlet.take("one", 10)


def test_nothing_to_put_is_no_call(inlet: Inlet) -> None:
    """No items, no entries; and nothing done is nothing."""
    inlet.put([])
    inlet.done([])

    assert 0 == inlet.waiting()


def test_what_is_done_is_gone(inlet: Inlet, each_outbox: Outbox) -> None:
    """Until an entry is done it waits, taken or not; then neither stream nor group knows of it."""
    inlet.put(_numbered(3))
    taken = inlet.take("one", 2)
    assert 3 == inlet.waiting()

    inlet.done([one.id for one in taken])
    inlet.done([one.id for one in taken])

    assert 1 == inlet.waiting()
    assert 0 == each_outbox.scripts.client.xpending(INLET, module.GROUP)["pending"]


def test_what_a_dead_consumer_took_is_taken_over(inlet: Inlet, each_outbox: Outbox) -> None:
    """An entry idle for TAKE_OVER seconds goes to whoever asks next, before new ones."""
    inlet.put(_numbered(2))
    inlet.take("dead", 10)
    inlet.put(_numbered(1, 2))
    _now_idle(each_outbox, module.TAKE_OVER + 1)

    assert [b"0", b"1", b"2"] == _bodies(inlet.take("one", 10))


def test_what_somebody_works_on_is_not_taken_over(inlet: Inlet, each_outbox: Outbox) -> None:
    """Before TAKE_OVER seconds an entry stays with its consumer."""
    inlet.put(_numbered(2))
    inlet.take("slow", 10)
    _now_idle(each_outbox, module.TAKE_OVER - 5)

    assert [] == inlet.take("one", 10)


def test_all_that_is_left_is_found(inlet: Inlet, each_outbox: Outbox) -> None:
    """Also what lies behind many entries that others work on."""
    inlet.put(_numbered(200))
    inlet.take("dead", 200)
    _now_idle(each_outbox, module.TAKE_OVER + 1)
    inlet.take("busy", 150)

    found: list[bytes] = []
    eventually(lambda: found.extend(_bodies(inlet.take("one", 7))) or len(found) == 50)

    assert [b"%d" % number for number in range(150, 200)] == sorted(found, key=int)


def test_a_redis_that_forgot_is_no_error(inlet: Inlet, each_outbox: Outbox) -> None:
    """The group is made again, and what came since is taken."""
    inlet.put(_numbered(1))
    inlet.take("one", 10)
    each_outbox.scripts.client.flushall()
    assert [] == inlet.take("one", 10)

    inlet.put(_numbered(1, 1))

    assert [b"1"] == _bodies(inlet.take("one", 10))


@pytest.mark.parametrize(
    "strange", [{"v": "2", "k": "status"}, {"v": "1", "k": "poem", "f": "json"}, {"x": "y"}]
)
def test_a_format_to_come_is_left_alone(
    inlet: Inlet, each_outbox: Outbox, strange: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """An entry that a newer receiver wrote waits for a newer worker; the others go on."""
    each_outbox.scripts.client.xadd(INLET, strange)  # type: ignore[arg-type]  # its mapping is invariant
    inlet.put(_numbered(1))

    assert [b"0"] == _bodies(inlet.take("one", 10))

    assert ["inlet.unknown_format"] == [record.getMessage() for record in caplog.records]
    assert 2 == inlet.waiting()


def test_what_cannot_be_read_is_set_aside(
    inlet: Inlet, each_outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    """It is done, kept for a day with the reason, and told of without a word of what is in it."""
    inlet.put([REPORT])
    (taken,) = inlet.take("one", 10)

    inlet.unreadable(taken, "is no JSON")

    assert 0 == inlet.waiting()
    client = each_outbox.scripts.client
    ((_, kept),) = client.xrange(UNREADABLE)
    assert (b"is no JSON", b"status", b"second", CANARY) == (kept[b"w"], kept[b"k"], kept[b"a"], kept[b"b"])
    assert 0 < client.ttl(UNREADABLE) <= module.KEEP_UNREADABLE
    assert ["inlet.unreadable"] == [record.getMessage() for record in caplog.records]
    assert "0031600000001" not in repr([vars(record) for record in caplog.records])


def test_of_the_unreadable_a_bounded_number_is_kept(inlet: Inlet, each_outbox: Outbox) -> None:
    """At most MOST_UNREADABLE, the newest."""
    client = each_outbox.scripts.client
    pipe = client.pipeline(transaction=False)
    for _ in range(MOST_UNREADABLE):
        pipe.xadd(UNREADABLE, {"b": "old"})
    pipe.execute()
    inlet.put([REPORT])
    (taken,) = inlet.take("one", 1)

    inlet.unreadable(taken, "is no JSON")

    assert MOST_UNREADABLE == client.xlen(UNREADABLE)


def test_the_unreadable_of_yesterday_are_forgotten(inlet: Inlet, each_outbox: Outbox) -> None:
    """A day after it was set aside nothing of a body is left, whether or not others follow."""
    client = each_outbox.scripts.client
    old = int((time.time() - module.KEEP_UNREADABLE - 60) * 1000)
    client.xadd(UNREADABLE, {"b": "old"}, id=f"{old}-0")
    client.xadd(UNREADABLE, {"b": "new"})

    inlet.waiting()

    assert [b"new"] == [fields[b"b"] for _, fields in client.xrange(UNREADABLE)]


def test_no_repr_shows_a_body(inlet: Inlet) -> None:
    """Bodies hold numbers and texts; what is printed holds neither."""
    inlet.put([REPORT])

    assert "0031600000001" not in repr((REPORT, inlet.take("one", 1)))


@pytest.fixture
def full(private_valkey: RunningServer) -> Iterator[tuple[Inlet, Outbox]]:
    """An inlet with three entries, one of them taken by another, whose Redis has no memory left."""
    with Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": private_valkey.url})) as outbox:
        inlet = Inlet(outbox)
        inlet.put(_numbered(3))
        outbox.scripts.client.config_set("maxmemory", 1)
        yield inlet, outbox


def test_a_full_redis_takes_all_or_nothing(full: tuple[Inlet, Outbox]) -> None:
    """At maxmemory a put raises OutboxFull, and nothing of it is there."""
    inlet, _ = full

    with pytest.raises(OutboxFull):
        inlet.put(_numbered(2, 3))

    assert 3 == inlet.waiting()


def test_a_full_inlet_can_be_emptied(full: tuple[Inlet, Outbox]) -> None:
    """Taking, setting aside and finishing go on at maxmemory, also the first time ever."""
    inlet, _ = full

    taken = inlet.take("one", 10)
    inlet.unreadable(taken[0], "is no JSON")
    inlet.done([one.id for one in taken[1:]])

    assert (3, 0) == (len(taken), inlet.waiting())


def test_a_redis_that_is_away(private_valkey: RunningServer) -> None:
    """Every call raises OutboxUnavailable, and goes on when Redis is back."""
    with Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": private_valkey.url})) as outbox:
        inlet = Inlet(outbox)
        private_valkey.stop()
        for call in (
            lambda: inlet.put([REPORT]),
            lambda: inlet.take("one", 1),
            lambda: inlet.done(["1-0"]),
            inlet.waiting,
        ):
            with pytest.raises(OutboxUnavailable):
                call()

        private_valkey.start()
        inlet.put([REPORT])

        assert [CANARY] == _bodies(inlet.take("one", 1))


def test_large_ones_are_taken_a_few_at_a_time(inlet: Inlet) -> None:
    """A take stays in memory, whatever was brought; small ones come by the hundred again."""
    inlet.put([Brought(kind=Kind.INBOUND, form=Form.JSON, body=b" " * (1 << 20)) for _ in range(20)])
    takes = []
    while taken := inlet.take("a", 10):
        takes.append(len(taken))
        inlet.done([one.id for one in taken])
    assert [10, 8, 2] == takes

    inlet.put([Brought(kind=Kind.INBOUND, form=Form.JSON, body=b"{}") for _ in range(600)])
    assert [8, 500] == [len(inlet.take("a", 500)) for _ in range(2)]
