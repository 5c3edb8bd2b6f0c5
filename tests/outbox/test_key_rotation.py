"""The secret key: processes that disagree, and what a rotated key goes on being good for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import ROOT
from hypothesis import given
from hypothesis import strategies as st
from inside import Inside

from cmqueue import Content, IdempotencyConflict, Message, Outbox, Receipt, Refusal, SettingsError
from cmqueue.identity import BUCKET_SECONDS, BUCKETS, bucket_age, bucket_at, fingerprint, tail_of
from cmqueue.settings import LibrarySettings, secret_keys
from demo.valkey import RunningServer

OLD, NEW, OTHER = "the first of our keys", "the second of our keys", "a key of somebody else"
VARIABLE = "CMQUEUE_SECRET_KEY"
NUMBERS = [f"+316000000{n:02}" for n in range(4)]
PROGRAM = Path(__file__).parent / "keyed_process.py"

Open = Callable[..., Outbox]
Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def open_with(server: RunningServer, each_outbox: Outbox) -> Iterator[Open]:
    """A function that opens the outbox as a process that starts with these keys, on each server in turn."""
    opened: list[Outbox] = []

    def start(*keys: str) -> Outbox:
        env = {"CMQUEUE_REDIS_URL": server.url, VARIABLE: ",".join(keys)}
        outbox = Outbox(LibrarySettings.from_env(env))
        outbox.waker.wake = lambda *_: True  # type: ignore[method-assign]
        opened.append(outbox)
        outbox.registry.agree()
        return outbox

    yield start
    for outbox in opened:
        outbox.close()


@pytest.fixture
def start(valkey: RunningServer, outbox: Outbox) -> Iterator[Start]:
    """A function that starts a real process with this value of CMQUEUE_SECRET_KEY."""
    started: list[subprocess.Popen[str]] = []

    def run(keys: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        environment = os.environ | {"CMQUEUE_REDIS_URL": valkey.url, VARIABLE: keys, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, PROGRAM], env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate(timeout=10)


def _message(name: str | None = None, number: str = NUMBERS[0]) -> Message:
    return Message(sender="Acme", to=number, text="Hi", idempotency_key=name)


def _refused(process: subprocess.Popen[str]) -> str:
    """What the process said as it refused to start."""
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    return said


def _ready(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert "ready\n" == process.stdout.readline()  # type: ignore[union-attr]
    return process


def _ask(process: subprocess.Popen[str], name: str) -> tuple[str, bool]:
    """Enqueue in that process; the id, and whether it is a duplicate."""
    print(name, file=process.stdin, flush=True)
    id, duplicate = process.stdout.readline().split()  # type: ignore[union-attr]
    return id, duplicate == "True"


# --- processes ---------------------------------------------------------------------------------------


def test_of_two_processes_that_disagree_one_refuses_to_start(start: Start) -> None:
    """Two that begin at the same instant with different keys: one works, one names the variable."""
    processes = {key: start(key) for key in (OLD, OTHER)}
    first = {key: process.stdout.readline() for key, process in processes.items()}  # type: ignore[union-attr]

    assert ["", "ready\n"] == sorted(first.values())
    (refused,) = (processes[key] for key, line in first.items() if not line)
    said = _refused(refused)
    assert said.startswith(f"{VARIABLE}: differs ")
    assert not any(key in said for key in processes)


def test_a_rotation_under_running_processes(start: Start) -> None:
    """The old one works on until it is restarted; the new one knows what both have enqueued."""
    before = _ready(start(f"{OLD},{NEW}"))
    named = _ask(before, "a")[0]
    after = _ready(start(f"{NEW},{OLD}"))

    assert (named, True) == _ask(after, "a")
    later, duplicate = _ask(after, "b")
    assert not duplicate
    assert (later, True) == _ask(before, "b")
    assert not _ask(before, "c")[1]
    assert _ask(after, "c")[1]
    said = _refused(start(OLD))
    assert said.startswith(f"{VARIABLE}: begins with a key that was replaced at 20")
    assert OLD not in said


def test_a_process_that_keeps_running_with_the_old_key_alone(start: Start) -> None:
    """It needs no restart to go on, and the ids it makes are known to those that have both keys."""
    before = _ready(start(OLD))
    after = _ready(start(f"{NEW},{OLD}"))

    id, duplicate = _ask(before, "a")

    assert not duplicate
    assert (id, True) == _ask(after, "a")


# --- who may start -----------------------------------------------------------------------------------


def test_a_rotation_is_remembered_with_its_time(open_with: Open) -> None:
    """The fingerprint of the key in force, and behind it those before, the last one first."""
    now = open_with(OLD).scripts.client.time()[0]
    for keys in ((NEW, OLD), (NEW, OLD), (NEW,), (OTHER, NEW)):
        marks = open_with(*keys).registry.keyring.marks()
        assert marks is not None

    assert fingerprint(OTHER.encode()) == marks.current
    assert [fingerprint(key.encode()) for key in (NEW, OLD)] == list(marks.retired)
    assert all(now <= at <= now + 60 for at in marks.retired.values())


def test_a_replaced_key_does_not_come_back(open_with: Open) -> None:
    """A straggler that begins with it and has the new one too works with the new one; nothing changes."""
    open_with(OLD)
    after = open_with(NEW, OLD)
    before = after.registry.keyring.marks()

    straggler = open_with(OLD, NEW)

    assert before == straggler.registry.keyring.marks()
    assert (NEW.encode(), OLD.encode()) == straggler.registry.keys
    named = straggler.enqueue(_message("a"))
    assert Receipt(*named[:2], duplicate=True) == open_with(NEW).enqueue(_message("a"))
    with pytest.raises(SettingsError, match="was replaced"):
        open_with(OLD)


def test_going_back_is_going_on_to_a_third_key(open_with: Open) -> None:
    """It replaces the second; neither of the others names again."""
    for keys in ((OLD,), (NEW, OLD), (NEW, OLD, OTHER), (OTHER, NEW, OLD)):
        names = open_with(*keys).registry.keys

    assert [OTHER.encode()] * 2 == [names[0], open_with(OLD, NEW, OTHER).registry.key]


@pytest.mark.parametrize("keys", [(OLD,), (OTHER,), (OTHER, OLD)], ids=["old", "other", "other and old"])
def test_who_does_not_know_the_key_in_force_is_refused(open_with: Open, keys: tuple[str, ...]) -> None:
    """Whatever else it knows; and nothing changes."""
    open_with(OLD)
    before = open_with(NEW, OLD).registry.keyring.marks()

    with pytest.raises(SettingsError) as refused:
        open_with(*keys)

    assert VARIABLE == refused.value.variable
    assert before == open_with(NEW).registry.keyring.marks()


def test_a_generated_key_is_replaced_by_name(open_with: Open, each_outbox: Outbox) -> None:
    """`generated` stands for the key in Redis: it names when it comes first, else it is read."""
    named = each_outbox.enqueue(_message("a"))

    assert each_outbox.registry.key == open_with("generated", NEW).registry.key
    assert Receipt(*named[:2], duplicate=True) == open_with(NEW, "generated").enqueue(_message("a"))
    with pytest.raises(SettingsError):
        open_with()


def test_a_generated_key_is_not_replaced_unasked(open_with: Open, each_outbox: Outbox) -> None:
    """A process with a key of its own, by mistake, does not take an installation over."""
    assert each_outbox.registry.key

    with pytest.raises(SettingsError):
        open_with(NEW)


def test_a_generated_key_may_be_gone(open_with: Open, each_outbox: Outbox) -> None:
    """Deleted after the retention it is not missed where another names; a process without any is refused."""
    assert each_outbox.registry.key
    assert 2 == len(open_with(NEW, "generated").registry.keys)
    each_outbox.scripts.client.delete("cmq:key")

    assert [NEW.encode()] == list(open_with(NEW, "generated").registry.keys)
    with pytest.raises(SettingsError, match="is not set"):
        open_with()
    assert not each_outbox.scripts.client.exists("cmq:key")


def test_keys_are_spelled_with_commas() -> None:
    """Newest first, spaces around them do not count; a short one is refused without being shown."""
    assert (NEW.encode(), b"generated", OLD.encode()) == secret_keys(f"{NEW}, generated ,{OLD}")
    for wrong in ("short", f"{NEW},", f"{NEW},short"):
        with pytest.raises(ValueError, match="at least 16 characters") as refused:
            secret_keys(wrong)
        assert wrong not in str(refused.value)


# --- what an old key goes on being good for -----------------------------------------------------------


def test_a_repeat_across_a_rotation_is_a_duplicate(open_with: Open) -> None:
    """One message or many: the first id, whichever key it was made with, as often as it is asked."""
    first = open_with(OLD).enqueue(_message("a"))
    after = open_with(NEW, OLD)
    fresh = after.enqueue(_message("b"))

    again = Receipt(*first[:2], duplicate=True)
    assert [again, again] == [after.enqueue(_message("a")) for _ in range(2)]
    many = list(after.enqueue_many([_message("a"), _message("c"), _message(), _message("b")]))
    assert [True, False, False, True] == [result.duplicate for result in many]  # type: ignore[union-attr]
    assert [again, Receipt(*fresh[:2], duplicate=True)] == [many[0], many[3]]
    assert 4 == after.audit().enqueued


def test_another_payload_across_a_rotation_is_a_conflict(open_with: Open) -> None:
    """It names the message that the key belongs to."""
    first = open_with(OLD).enqueue(_message("a"))
    after = open_with(OTHER, NEW, OLD)

    with pytest.raises(IdempotencyConflict) as conflict:
        after.enqueue(_message("a", NUMBERS[1]))
    assert first.id == conflict.value.id
    (refusal,) = after.enqueue_many([_message("a", NUMBERS[1])])
    assert isinstance(refusal, Refusal)


def test_a_broadcast_across_a_rotation_reaches_only_the_missed(open_with: Open) -> None:
    """The recipients of the first call keep their ids; the others get theirs under the same reference."""
    sale = Content(sender="Acme", text="Sale")
    first = open_with(OLD).broadcast(sale, NUMBERS[:2], idempotency_key="sale")
    after = open_with(NEW, OLD)
    again = after.broadcast(sale, NUMBERS, idempotency_key="sale")

    assert (first.reference, 2, 2) == (again.reference, again.enqueued, again.duplicates)
    assert [receipt.id for receipt in first] == [receipt.id for receipt in again][:2]
    assert (4, 0) == (after.audit().enqueued, after.broadcast(sale, NUMBERS, idempotency_key="sale").enqueued)
    with pytest.raises(IdempotencyConflict):
        after.broadcast(Content(sender="Acme", text="Other"), NUMBERS, idempotency_key="sale")


def test_who_has_both_keys_agrees_with_whoever_was_first(open_with: Open) -> None:
    """In the first step of a rotation all know both keys: a repeat is one, in either direction."""
    sale = Content(sender="Acme", text="Sale")
    before = open_with(OLD, NEW)
    assert before.registry.keys
    after = open_with(NEW, OLD)

    for first, second in ((before, after), (after, before)):
        name = f"by {first.registry.keys[0]!r}"
        assert not first.enqueue(_message(name)).duplicate
        assert second.enqueue(_message(name)).duplicate
        assert 1 == first.broadcast(sale, NUMBERS[:1], idempotency_key=name).enqueued
        assert 0 == second.broadcast(sale, NUMBERS[:1], idempotency_key=name).enqueued


def test_messages_queued_before_a_rotation_are_delivered_after_it(open_with: Open) -> None:
    """A job carries its id: claim, settle, status and cancel ask for no key."""
    before = open_with(OLD)
    receipts = [before.enqueue(_message(number=number)) for number in NUMBERS]
    after = open_with(NEW, OLD)
    inside = Inside(after, after.registry.partition("default"))

    assert "cancelled" == after.cancel(receipts[0].id)
    inside.deliver()

    assert ["cancelled", "accepted", "accepted", "accepted"] == [
        str(status.state) for status in (after.status(receipt.id) for receipt in receipts) if status
    ]
    inside.check()


def test_a_receipt_is_found_under_either_key(open_with: Open) -> None:
    """A status report tells reference and number: the tails it may mean, the newest key's first."""
    receipt = open_with(OLD).enqueue(_message())
    registry = open_with(NEW, OLD).registry

    tails = registry.tails(receipt.reference, "0031600000000")

    assert [tail_of(key.encode(), receipt.reference, "0031600000000") for key in (NEW, OLD)] == tails
    assert receipt.id == receipt.reference[:6] + tails[1]


@given(now=st.integers(0, 4 * 10**9), age=st.integers(0, BUCKET_SECONDS * (BUCKETS - 2)))
def test_a_bucket_tells_its_age(now: float, age: float) -> None:
    """To within its ten minutes, for nineteen years."""
    found = bucket_age(bucket_at(max(now - age, 0)), now)

    assert 0 <= found - min(age, now) < BUCKET_SECONDS
