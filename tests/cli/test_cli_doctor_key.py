"""What `cmqueue doctor` says of secret keys: in force, replaced, still needed, to be dropped."""

from __future__ import annotations

from typing import Any

import pytest
from command import Run

from cmqueue import Message, Outbox
from cmqueue.keyring import FINGERPRINT
from cmqueue.settings import DAY, LibrarySettings
from demo.valkey import RunningServer

OLD, NEW, THIRD = "the first of our keys", "the second of our keys", "the third of our keys"
VARIABLE = "CMQUEUE_SECRET_KEY"


def keys(run: Run, value: str) -> list[tuple[str, str, str]]:
    """Level, what was found and what to do, of the checks of keys."""
    checks: list[dict[str, Any]] = run("doctor", "--json", CMQUEUE_SECRET_KEY=value).json["checks"]
    found = [one for one in checks if one["name"] in ("key", "old key")]
    return [(one["level"], one["found"], one["do"]) for one in found]


@pytest.fixture
def rotated(outbox: Outbox, valkey: RunningServer) -> Outbox:
    """The outbox after a rotation, with a message from before it."""
    for value in (OLD, f"{NEW},{OLD}"):
        with Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": valkey.url, VARIABLE: value})) as process:
            process.enqueue(Message(sender="Acme", to="+31600000001", text="Hi", idempotency_key="a"))
    return outbox


def age(outbox: Outbox, days: int) -> None:
    """The rotation was so many days ago, and messages from before it are forgotten."""
    client = outbox.scripts.client
    current, _, retired = client.get(FINGERPRINT).decode().partition(" ")
    mark, _, at = retired.partition("@")
    client.set(FINGERPRINT, f"{current} {mark}@{int(at) - days * DAY}")


def test_before_a_rotation(run: Run, rotated: Outbox) -> None:
    """A first key that is not in force, but knows it, would come into force: said, not done."""
    before = rotated.scripts.client.get(FINGERPRINT)

    level, found, _ = keys(run, f"{THIRD},{NEW}")[0]

    assert "warn" == level
    assert "makes it so" in found
    assert before == rotated.scripts.client.get(FINGERPRINT)


def test_an_old_key_before_the_new_one(run: Run, rotated: Outbox) -> None:
    """Messages are named with the new one all the same."""
    level, found, do = keys(run, f"{OLD},{NEW}")[0]

    assert ("warn", "put the new key first") == (level, do)
    assert "was replaced at 20" in found


def test_the_old_key_alone(run: Run, rotated: Outbox) -> None:
    """It would not start."""
    assert ["fail"] == [level for level, _, _ in keys(run, OLD)]


def test_an_old_key_that_is_read(run: Run, rotated: Outbox) -> None:
    """All is well, and it says until when the old one is needed."""
    (_, now, _), (_, old, _) = found = keys(run, f"{NEW},{OLD}")

    assert ["ok", "ok"] == [level for level, _, _ in found]
    assert "as set here" in now
    assert "needed until 20" in old


def test_an_old_key_that_is_lacking(run: Run, rotated: Outbox) -> None:
    """Dropped too early, a repeat of an earlier idempotency key would be sent again."""
    _, (level, found, do) = keys(run, NEW)

    assert "warn" == level
    assert "is sent again" in found
    assert do.startswith("put that key behind the first, until 20")


def test_an_old_key_with_messages_from_before(run: Run, rotated: Outbox) -> None:
    """After its time it is needed as long as a row from before is kept: it may be scheduled for next year."""
    age(rotated, 20)
    rotated.scripts.client.zadd(rotated.registry.partition("default").prefix + "buckets", {"AAAA": 1})

    assert "as long as a message from before" in keys(run, f"{NEW},{OLD}")[1][1]


def test_an_old_key_that_may_go(run: Run, rotated: Outbox) -> None:
    """After the retention it says so; without it there is nothing to say."""
    age(rotated, 20)

    assert [("warn", "take it out, from the end")] == [
        (level, do) for level, _, do in keys(run, f"{NEW},{OLD}")[1:]
    ]
    assert [] == keys(run, NEW)[1:]
