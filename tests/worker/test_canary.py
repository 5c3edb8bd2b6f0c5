"""The canary: marked numbers, texts and tokens go down every path, and stand in no output."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import ROOT, Run, eventually, finished

from cmqueue import Content, IdempotencyConflict, Message, Outbox, OutboxUnavailable, Refusal
from cmqueue.claim import Batch
from cmqueue.job import Job
from cmqueue.lane import Lane
from cmqueue.settings import LibrarySettings
from config.settings import WorkerSettings
from demo.valkey import RunningServer
from sandbox.running import SandboxClient

NUMBER = "0031600000987"
TEXT = "marked-body-7c1e"
TOKEN = "11111111-1111-1111-1111-11111cab1e5a"
#: Every spelling that would give a secret away: a number without its prefix is still a number.
MARKS = ("600000987", TEXT, "7c1e", TOKEN, "cab1e5a")


def leaks(output: str) -> list[str]:
    return [f"{mark} in: {line[:200]}" for line in output.splitlines() for mark in MARKS if mark in line]


def unreadable_job() -> bytes:
    """A job that no worker can read: reading it raises an error whose repr holds all of it."""
    job = Job("normal", 0, 0, 0, 2**32 - 1, 0, "AAAA", "B" * 20, "C" * 10, "?" + NUMBER, TEXT.encode())
    return job.pack().replace(b"?", b"\xff", 1)


def test_the_marks_would_be_found() -> None:
    """The check can fail."""
    assert 1 == len(leaks(f"ok\nto {NUMBER}"))


@pytest.mark.parametrize("level", ["debug", "info"])
@pytest.mark.parametrize("layout", ["json", "console"])
def test_a_worker_s_output_holds_no_mark(
    outbox: Outbox, sandbox: SandboxClient, run: Run, level: str, layout: str
) -> None:
    """Accepted, refused, retried, ambiguous, dead, stopped, malformed and crashing: no line holds a mark."""
    ids = [
        outbox.enqueue(
            {"sender": "Acme", "to": NUMBER, "text": f"{TEXT} {n}", "client_reference": f"order-{n}"},
            lane=lane,
        ).id
        for n, lane in enumerate(["urgent", "normal", "bulk"] * 3)
    ]
    broken = outbox.registry.partition("default").prefix + "lane:n"
    outbox.scripts.client.rpush(broken, unreadable_job())
    sandbox.faults(
        {"kind": "reject_all", "code": 303, "count": 1},
        {"kind": "drop_after", "count": 1},
        {"kind": "reject_all", "code": 500, "count": 1},
        {"kind": "status", "status": 401, "count": 1},
        {"kind": "not_json", "taken": True, "count": 1},
        {"kind": "extra_row", "count": 1},
    )
    worker = run(
        CMQUEUE_LOG_LEVEL=level, CMQUEUE_LOG_FORMAT=layout,
        CMQUEUE_PRODUCT_TOKEN=TOKEN, CMQUEUE_BODY_TOKEN="1",
        CMQUEUE_MAX_ATTEMPTS="1", CMQUEUE_BATCH_SIZE="1", CMQUEUE_MAX_RESENDS="0",
    )  # fmt: skip

    eventually(lambda: all(finished(outbox, each) for each in ids), 40)
    eventually(lambda: "drain.failed" in worker.lines())
    worker.terminate()
    assert [] == leaks(worker.lines())


def test_a_killed_worker_s_heir_tells_no_mark(outbox: Outbox, sandbox: SandboxClient, run: Run) -> None:
    """What is said of a lost batch names its messages by id."""
    receipt = outbox.enqueue(Message(sender="Acme", to=NUMBER, text=TEXT))
    sandbox.faults({"kind": "hang", "taken": True, "count": 1})
    first = run(CMQUEUE_LOG_LEVEL="debug", CMQUEUE_PRODUCT_TOKEN=TOKEN)
    eventually(lambda: outbox.status(receipt.id).state == "posting")
    first.kill()
    second = run(CMQUEUE_LOG_LEVEL="debug", CMQUEUE_PRODUCT_TOKEN=TOKEN)

    eventually(lambda: finished(outbox, receipt.id))
    assert receipt.id in second.lines()
    assert [] == leaks(first.lines() + second.lines())


BAD: list[tuple[str, Callable[[], Any]]] = [
    ("number", lambda: Message(sender="Acme", to=NUMBER + "x", text=TEXT)),
    ("sender", lambda: Message(sender=TEXT, to=NUMBER, text=TEXT)),
    ("no text", lambda: Message(sender="Acme", to=NUMBER)),
    ("surrogate", lambda: Message(sender="Acme", to=NUMBER, text=TEXT + "\ud800")),
    ("unknown field", lambda: Message(sender="Acme", to=NUMBER, text=TEXT, **{f"{TEXT}": NUMBER})),
    ("parts", lambda: Message(sender="Acme", to=NUMBER, text=TEXT, max_parts=NUMBER)),
    ("rich content", lambda: Content(sender="Acme", rich_content={"conversation": [TEXT, NUMBER]})),
    ("validity", lambda: Content(sender="Acme", text=TEXT, validity=TEXT)),
    ("metadata", lambda: Message(sender="Acme", to=NUMBER, text=TEXT, metadata={TEXT: {NUMBER}})),
    ("library setting", lambda: LibrarySettings.from_env({"CMQUEUE_REDIS_URL": f"http://{TEXT}"})),
    ("token", lambda: WorkerSettings.from_env({"CMQUEUE_PRODUCT_TOKEN": TOKEN.replace("-", "") + TEXT})),
    ("accounts", lambda: WorkerSettings.from_env({"CMQUEUE_ACCOUNTS": f'{{"a": "{TEXT}"}}'})),
]


@pytest.mark.parametrize("bad", [bad for _, bad in BAD], ids=[name for name, _ in BAD])
def test_an_error_holds_no_mark(bad: Callable[[], Any]) -> None:
    """Neither the text, the repr nor the whole traceback of an error shows what was given."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each kind of error
        bad()

    assert type(caught.value).__module__.startswith("cmqueue")
    chain = traceback.format_exception(caught.value)
    # The traceback's own source lines are this test's; its messages are the library's.
    said = "".join(line for line in chain if not line.lstrip().startswith("File"))
    assert [] == leaks(said + repr(caught.value))


def test_an_outbox_that_fails_holds_no_mark() -> None:
    """A Redis that is away, and a key used twice: ids and problems, never the message."""
    away = Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": "redis://127.0.0.1:1/0"}))
    with away, pytest.raises(OutboxUnavailable) as caught:
        away.enqueue({"sender": "Acme", "to": NUMBER, "text": TEXT})
    assert [] == leaks("".join(traceback.format_exception(caught.value)))


def test_a_conflict_holds_no_mark(outbox: Outbox) -> None:
    """The conflict names the first message by its id."""
    outbox.enqueue({"sender": "Acme", "to": NUMBER, "text": TEXT}, idempotency_key="k")
    with pytest.raises(IdempotencyConflict) as caught:
        outbox.enqueue({"sender": "Acme", "to": NUMBER, "text": TEXT + "!"}, idempotency_key="k")
    assert [] == leaks(str(caught.value) + repr(caught.value))


def test_no_repr_holds_a_mark(outbox: Outbox) -> None:
    """Objects that a debugger, an error tracker or a careless log line would show."""
    message = Message(sender="Acme", to=NUMBER, text=TEXT)
    outbox.enqueue(message)
    broadcast = outbox.broadcast(Content(sender="Acme", text=TEXT), [NUMBER])
    claim, _ = outbox.registry.partition("default").claim("b", list(Lane), lease=60)
    assert isinstance(claim, Batch)
    shown = [
        message,
        message.content,
        broadcast,
        claim,
        [Job.unpack(job) for job in claim.jobs],
        outbox.settings,
    ]
    assert [] == leaks(repr(shown))


def test_the_library_logs_no_mark(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    """A web app that turns debug logging on sees ids and references."""
    with caplog.at_level(logging.DEBUG):
        receipt = outbox.enqueue({"sender": "Acme", "to": NUMBER, "text": TEXT})
        outbox.broadcast({"sender": "Acme", "text": TEXT}, [NUMBER])
        outbox.cancel(receipt.id)
    records = [json.dumps(vars(record), default=str) for record in caplog.records if record.name == "cmqueue"]

    assert {"message.enqueued", "broadcast.enqueued", "message.cancelled"} == {
        record.getMessage() for record in caplog.records if record.name == "cmqueue"
    }
    assert [] == leaks("\n".join(records))


@pytest.mark.parametrize(
    "arguments",
    [
        ["send", "--from", "Acme", "--to", NUMBER + "x", TEXT],
        ["send", "--from", "Acme", "--to", NUMBER, "--lane", "nowhere", TEXT],
        ["send", "--from", "Acme", "--to", NUMBER, "--expires-in", "-1", TEXT],
        ["send", "--from", TEXT, "--to", NUMBER, TEXT],
        ["send", "--from", "Acme", "--to", NUMBER, TEXT],
        ["doctor"],
    ],
    ids=["number", "lane", "expiry", "sender", "sent", "doctor"],
)
def test_the_command_line_prints_no_mark(
    valkey: RunningServer, outbox: Outbox, arguments: list[str], tmp_path: Path
) -> None:
    """What the operator typed is not echoed into terminals and CI logs."""
    ended = subprocess.run(
        [sys.executable, "-c", "import sys; from cmqueue.cli import main; sys.exit(main())", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
        env=os.environ | {"CMQUEUE_REDIS_URL": valkey.url, "CMQUEUE_PRODUCT_TOKEN": TOKEN,
                          "CMQUEUE_ENDPOINT": "http://127.0.0.1:1/"},
    )  # fmt: skip

    assert [] == leaks(ended.stdout + ended.stderr)


def test_a_refusal_holds_no_mark(outbox: Outbox) -> None:
    """One bad item of many is told by position, field and rule."""
    (refusal,) = outbox.enqueue_many([{"sender": "Acme", "to": NUMBER + "x", "text": TEXT}])
    assert isinstance(refusal, Refusal)
    assert [] == leaks(repr(refusal))
