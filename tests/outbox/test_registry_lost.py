"""Redis comes back without what all share, codes and keys: whoever ran on writes it back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from inside import Inside, keys_of

from cmqueue import Message, Outbox, OutboxUnavailable
from cmqueue.hold import holds, resume_rolled_back
from cmqueue.identity import PARTITIONS
from cmqueue.keyring import FINGERPRINT, KEY
from cmqueue.partition import REGISTRY
from cmqueue.registry import _home
from cmqueue.settings import LibrarySettings
from demo.valkey import RunningServer

Open = Callable[..., Outbox]
#: An account whose search for a code begins where that of `default` does.
NEIGHBOUR = next(name for name in map("a{}".format, count()) if _home(f"{name}:0") == 0)


@pytest.fixture
def start(server: RunningServer, each_outbox: Outbox) -> Iterator[Open]:
    """A function that opens the outbox as a process that starts now."""
    opened: list[Outbox] = []

    def run(**settings: str) -> Outbox:
        outbox = Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": server.url} | settings))
        outbox.waker.wake = lambda *_: True  # type: ignore[method-assign]
        opened.append(outbox)
        return outbox

    yield run
    for outbox in opened:
        outbox.close()


def message(number: int = 0) -> Message:
    return Message(sender="Acme", to=f"+316000000{number:02}", text="Hi")


def codes(outbox: Outbox) -> dict[str, str]:
    return {code: account for code, (account, _) in outbox.registry.known().items()}


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.msg for record in caplog.records if record.levelno == logging.CRITICAL]


def restarted(outbox: Outbox) -> None:
    """Redis is another by now: the connections of this process are broken."""
    outbox.scripts.client.connection_pool.disconnect()


# --- codes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accounts", [("default", "shop", "bar"), ("bar", "default", "shop")])
def test_a_name_has_the_same_code_again(start: Open, accounts: tuple[str, ...]) -> None:
    """Whoever comes first to an empty Redis; the default account's is AA."""
    outbox = start()

    found = {account: outbox.registry.partition(account).code for account in accounts}

    assert {"default": "AA", "shop": "JU", "bar": "YZ"} == found


def test_a_code_that_is_taken_is_not_given_again(start: Open) -> None:
    """The next one is; also where the registry has holes."""
    outbox = start()
    outbox.scripts.client.hset(REGISTRY, mapping={"old:0": 0, "older:0": 2})

    assert "AB" == outbox.registry.partition("default").code
    assert "AD" == outbox.registry.partition(NEIGHBOUR).code
    assert {"AA": "old", "AB": "default", "AC": "older", "AD": NEIGHBOUR} == codes(start())


def test_codes_may_run_out(start: Open) -> None:
    """It is said which setting asks for too many."""
    outbox = start()
    outbox.scripts.client.hset(REGISTRY, mapping={f"a{n}:0": n for n in range(PARTITIONS)})

    with pytest.raises(Exception, match="CMQUEUE_SHARDS"):
        outbox.registry.partition("default")


# --- writing it back ---------------------------------------------------------------------------------


def test_a_listing_writes_it_back(start: Open) -> None:
    """Whatever of it is lost: a worker lists the partitions each second, and goes on with them."""
    outbox = start()
    outbox.enqueue(message())
    outbox.enqueue(message(), account="shop")
    client, before = outbox.scripts.client, codes(outbox)
    kept = client.hgetall(REGISTRY), client.get(KEY), client.get(FINGERPRINT)

    for lose in (client.flushdb, lambda: client.hdel(REGISTRY, "shop:0"), lambda: client.delete(KEY)):
        lose()
        assert before == codes(outbox)
        assert kept == (client.hgetall(REGISTRY), client.get(KEY), client.get(FINGERPRINT))


def test_a_new_connection_writes_it_back(start: Open) -> None:
    """Before its first command: a web app that goes on enqueueing is found, and starters name as it does."""
    outbox = start()
    outbox.enqueue(message())
    outbox.scripts.client.flushdb()
    restarted(outbox)

    named = outbox.enqueue(Message(sender="Acme", to="+31600000001", text="Hi", idempotency_key="a"))

    fresh = start()
    assert {"AA": "default"} == codes(fresh)
    again = fresh.enqueue(Message(sender="Acme", to="+31600000001", text="Hi", idempotency_key="a"))
    assert (named.id, True) == (again.id, again.duplicate)
    assert 1 == fresh.audit().enqueued


def test_nothing_is_written_where_nothing_is_lost(start: Open) -> None:
    """Looking each second adds nothing to the append-only file."""
    outbox = start()
    outbox.enqueue(message())
    client = outbox.scripts.client
    dirty = client.info("persistence")["rdb_changes_since_last_save"]

    codes(outbox)
    restarted(outbox)
    client.ping()

    assert dirty == client.info("persistence")["rdb_changes_since_last_save"]


def test_a_full_redis_is_told_too(start: Open) -> None:
    """The way out goes on there."""
    outbox = start()
    outbox.enqueue(message())
    client = outbox.scripts.client
    client.config_set("maxmemory", 1)
    try:
        client.delete(REGISTRY, KEY)
        assert {"AA": "default"} == codes(outbox)
        assert 2 == client.exists(REGISTRY, KEY)
        client.delete(REGISTRY, KEY)
        restarted(outbox)
        assert 2 == client.exists(REGISTRY, KEY)
    finally:
        client.config_set("maxmemory", 0)


def test_who_resumes_and_audits_sees_it(start: Open) -> None:
    """In an emptied Redis, as soon as somebody who ran on has looked."""
    outbox = start()
    outbox.enqueue(message())
    outbox.scripts.client.flushdb()
    restarted(outbox)
    outbox.enqueue(message())
    outbox.scripts.client.hset("cmq:{AA}:rolled_back", "at", 1)

    fresh = start()

    assert [("default", "AA")] == [hold[:2] for hold in holds(fresh)]
    assert (1, True) == (fresh.audit().enqueued, resume_rolled_back(fresh, "default"))


def test_a_name_that_has_another_code_by_now(start: Open) -> None:
    """Its old partition is the account's still, beside the new one: what lies there is sent, and counted."""
    outbox = start()
    outbox.scripts.client.hset(REGISTRY, "default:0", 7)
    outbox.enqueue(message())
    outbox.scripts.client.hdel(REGISTRY, "default:0")
    start().enqueue(message())

    for _ in range(2):
        assert {"AA": "default", "AH": "default"} == codes(outbox)
    assert "AA" == outbox.registry.partition("default").code
    assert ({"AA": "default", "AH": "default"}, 2) == (codes(start()), start().audit().enqueued)


# --- a code that two accounts hold -------------------------------------------------------------------


def test_a_contested_code_is_nobodys(start: Open, caplog: pytest.LogCaptureFixture) -> None:
    """An emptied Redis gave it to another before its holder came: both are named, no account has it."""
    outbox = start()
    outbox.enqueue(message())
    outbox.scripts.client.flushdb()
    assert "AA" == start().registry.partition(NEIGHBOUR).code

    for _ in range(2):
        assert {"AA": f"{NEIGHBOUR}, default"} == codes(outbox)

    assert ["partition.contested"] == alarms(caplog)
    fresh = start()
    assert {"AA": f"{NEIGHBOUR}, default"} == codes(fresh)
    assert [f"{NEIGHBOUR}, default", "contested"] == [holds(fresh)[0].account, holds(fresh)[0].why]


def test_nothing_more_is_put_into_a_contested_partition(start: Open) -> None:
    """Neither by its first holder, nor by its second, nor by a process that starts."""
    outbox, other = start(), start()
    outbox.enqueue(message())
    outbox.scripts.client.flushdb()
    other.registry.partition(NEIGHBOUR)
    restarted(outbox)
    outbox.scripts.client.ping()
    codes(other)

    for process, account in ((outbox, "default"), (other, NEIGHBOUR), (start(), "default")):
        with pytest.raises(OutboxUnavailable, match="two accounts"):
            process.enqueue(message(), account=account)
    assert not outbox.scripts.client.exists("cmq:{AA}:lane:n")
    assert outbox.enqueue(message(), account="shop")


# --- keys --------------------------------------------------------------------------------------------


def test_another_key_is_told_of_once(start: Open, caplog: pytest.LogCaptureFixture) -> None:
    """One that was made before anybody could write the first back; a key that was rotated is no such one."""
    first, second = "the first of our keys", "the second of our keys"
    outbox = start()
    assert outbox.registry.key
    outbox.scripts.client.flushdb()
    assert start().registry.key != outbox.registry.key
    for _ in range(2):
        codes(outbox)
    outbox.scripts.client.flushdb()
    rotated = start(CMQUEUE_SECRET_KEY=first)
    assert rotated.registry.key
    assert start(CMQUEUE_SECRET_KEY=f"{second},{first}").registry.key
    codes(rotated)

    assert ["key.contested"] == alarms(caplog)


def test_a_rotation_is_written_back_whole(start: Open) -> None:
    """With the keys that were replaced, so that none of them comes back."""
    first, second = "the first of our keys", "the second of our keys"
    assert start(CMQUEUE_SECRET_KEY=first).registry.key
    outbox = start(CMQUEUE_SECRET_KEY=f"{second},{first}")
    assert outbox.registry.key
    before = outbox.registry.keyring.marks()
    outbox.scripts.client.flushdb()

    codes(outbox)

    assert before == start(CMQUEUE_SECRET_KEY=f"{first},{second}").registry.keyring.marks()


def test_what_was_left_of_the_queue_is_sent(start: Open, inside: Inside) -> None:
    """The registry alone was lost: nothing else changes."""
    key = inside.outbox.enqueue(message()).id[2:]
    inside.client.delete(REGISTRY)

    codes(inside.outbox)

    assert [key] == keys_of(inside.batch())
    inside.check()
