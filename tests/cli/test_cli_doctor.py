"""`cmqueue doctor`: the library's half."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from importlib import metadata
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from command import DEAD, End, Run, free_port, message
from harness import Ran

from cmqueue import Outbox
from cmqueue.checkup import Check, Level, checkup
from cmqueue.gate import Endpoint
from demo.valkey import running

TOKEN = "11111111-1111-1111-1111-111111111111"
LIBRARY = ("settings", "redis", "persistence", "eviction", "key", "broker", "holds", "backlog")


def check(ran: Ran, name: str, part: str = "library") -> dict[str, Any]:
    """The first check of this name."""
    return next(one for one in ran.json["checks"] if (one["part"], one["name"]) == (part, name))


@pytest.fixture
def configured(outbox: Outbox) -> Iterator[Any]:
    """A function that sets one of the server's settings until the test ends."""
    client = outbox.scripts.client
    before: dict[str, str] = {}

    def configure(name: str, value: str) -> None:
        before.setdefault(name, client.config_get(name)[name])
        client.config_set(name, value)

    yield configure
    for name, value in before.items():
        client.config_set(name, value)


def test_all_is_well(run: Run) -> None:
    """
    With AOF, a token and an endpoint that takes connections every check is ok, and the exit code 0.
    """
    with running("--save", "", "--appendonly", "yes") as durable:
        ran = run(
            "doctor",
            "--json",
            CMQUEUE_REDIS_URL=durable.url,
            CMQUEUE_PRODUCT_TOKEN=TOKEN,
        )

    assert [] == [one for one in ran.json["checks"] if one["level"] != "ok"]
    assert (0, True) == (ran.code, ran.json["ok"])


def test_every_check_stands_in_80_columns(run: Run) -> None:
    """
    As text, each check is a line that begins with its level; nothing is wider than 80 columns.
    """
    lines = run("doctor").out.splitlines()

    assert "library" == lines[0]
    assert (
        list(LIBRARY)
        == [line.split()[1] for line in lines if line[:7].strip() in tuple(Level)][: len(LIBRARY)]
    )
    assert max(map(len, lines)) <= 80


def test_nothing_is_written(run: Run, outbox: Outbox) -> None:
    """
    A checkup of an empty Redis leaves it empty: it settles no key.
    """
    run("doctor", CMQUEUE_SECRET_KEY="a key of the doctor's own")

    assert [] == outbox.scripts.client.keys()


def test_aof_is_off(run: Run) -> None:
    """
    Without AOF there is a warning that says what may be lost.
    """
    found = check(run("doctor", "--json"), "persistence")

    assert ("warn", "set appendonly yes") == (found["level"], found["do"])
    assert "is lost" in found["found"]


def test_a_redis_that_evicts(run: Run, configured: Any) -> None:
    """
    A Redis that would delete messages when memory is short fails the checkup.
    """
    configured("maxmemory-policy", "allkeys-lru")
    ran = run("doctor", "--json")

    assert (1, "fail") == (ran.code, check(ran, "eviction")["level"])


def test_a_redis_that_is_nearly_full(run: Run, configured: Any, outbox: Outbox) -> None:
    """
    A Redis that has used most of its maxmemory is warned of.
    """
    configured("maxmemory", str(int(outbox.scripts.client.info()["used_memory"] * 1.1)))

    assert "warn" == check(run("doctor", "--json"), "memory")["level"]


def test_a_redis_that_is_away(run: Run) -> None:
    """
    Without Redis the checkup fails, says where it looked, and shows no password.
    """
    port = free_port()
    ran = run("doctor", "--json", CMQUEUE_REDIS_URL=f"redis://:opensesame@127.0.0.1:{port}/0")

    found = check(ran, "redis")
    assert (1, "fail", f"127.0.0.1:{port}/0") == (ran.code, found["level"], found["where"])
    assert "opensesame" not in ran.out + ran.err


def test_a_broker_that_is_away(run: Run) -> None:
    """
    A broker that is away is a warning: messages go all the same.
    """
    ran = run("doctor", "--json", CMQUEUE_BROKER_URL=f"redis://127.0.0.1:{free_port()}/0")

    assert "warn" == check(ran, "broker")["level"]


def test_all_wrong_settings_at_once(run: Run) -> None:
    """
    Every wrong setting is told of, each by its variable, without its value.
    """
    ran = run("doctor", "--json", CMQUEUE_SHARDS="many", CMQUEUE_SECRET_KEY="short", CMQUEUE_REDIS_URL="here")

    wrong = [one for one in ran.json["checks"] if one["level"] == "fail" and one["part"] == "library"]
    assert {"CMQUEUE_SHARDS", "CMQUEUE_SECRET_KEY", "CMQUEUE_REDIS_URL"} == {one["where"] for one in wrong}
    assert 1 == ran.code
    assert "short" not in ran.out


@pytest.mark.parametrize("own", ["another key of enough letters", ""], ids=["another", "none"])
def test_another_key(run: Run, outbox: Outbox, own: str) -> None:
    """
    A process whose key is not the installation's, or that lacks it, fails the checkup.
    """
    client = outbox.scripts.client
    assert outbox.registry.key
    client.delete("cmq:key")

    assert "fail" == check(run("doctor", "--json", CMQUEUE_SECRET_KEY=own), "key")["level"]


def test_a_stopped_lane(run: Run, outbox: Outbox, end: End) -> None:
    """
    A stopped lane fails the checkup, which names the command that lets it go on.
    """
    outbox.enqueue(message())
    end(DEAD, stop_lane=True)
    ran = run("doctor", "--json")

    found = check(ran, "holds")
    assert (1, "fail") == (ran.code, found["level"])
    assert found["do"].endswith("cmqueue resume normal")


def test_a_stopped_account(run: Run, outbox: Outbox, end: End) -> None:
    """
    An account whose token CM refuses fails the checkup.
    """
    outbox.enqueue(message())
    end(DEAD, endpoint=Endpoint("stopped", "101"))

    assert "fail" == check(run("doctor", "--json"), "holds")["level"]


def test_the_brake(run: Run, outbox: Outbox, end: End) -> None:
    """
    An account that the brake holds is a warning: it is tried again by itself.
    """
    for last in range(3):
        outbox.enqueue(message(last))
        end(DEAD, endpoint=Endpoint("silent", "read_timeout"))

    assert "warn" == check(run("doctor", "--json"), "holds")["level"]


def test_a_lane_that_nobody_serves(run: Run, outbox: Outbox) -> None:
    """
    Messages that wait while nobody takes any out are warned of, with how long the first has waited.
    """
    known = outbox.enqueue(message()).id
    rows, tail = f"cmq:{{AA}}:rows:{known[2:6]}", known[6:]
    row = outbox.scripts.client.hget(rows, tail)
    queued_at = struct.pack(">I", int(time.time()) - 600)
    outbox.scripts.client.hset(rows, tail, row[:16] + queued_at + row[20:])

    found = check(run("doctor", "--json"), "backlog")
    assert "warn" == found["level"]
    assert found["found"].startswith(
        "1 in the lane normal, the first for 10 minutes; no worker has taken any"
    )


def test_a_fresh_backlog_is_no_warning(run: Run, outbox: Outbox) -> None:
    """
    What was queued a moment ago is no reason to warn.
    """
    outbox.enqueue(message())

    assert "ok" == check(run("doctor", "--json"), "backlog")["level"]


def worker_part(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> list[Check]:
    monkeypatch.setattr(metadata, "entry_points", lambda **_: points)
    env = {"CMQUEUE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    return [one for one in checkup(os.environ | env) if one.part == "worker"]


def test_no_worker_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where the worker is not installed, the checkup says which part was not checked; a web app needs none.
    """
    (found,) = worker_part(monkeypatch)

    assert Level.OK is found.level
    assert "endpoint were not checked" in found.found


def test_a_worker_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A worker that is registered and lacks a package is a warning that names it.
    """
    (found,) = worker_part(monkeypatch, EntryPoint("worker", "no_such_program:checks", "cmqueue.doctor"))

    assert Level.WARN is found.level
    assert "no_such_program" in found.found
