"""`cmqueue status`, `explain`, `cancel`, `audit`, and the frame around all verbs."""

from __future__ import annotations

from importlib import metadata

import pytest
from command import DEAD, End, Run, free_port, message

from cmqueue import Outbox
from cmqueue.gate import Endpoint

NOBODY = "A" * 26
LONG_TEXT = "a campaign whose name is made of words that go on for the whole of 64"[:64]


def test_status_as_json(run: Run, outbox: Outbox) -> None:
    """
    `status --json` is the library's own account of the message.
    """
    known = outbox.enqueue(message(), client_reference="order-17").id
    ran = run("status", known, "--json")

    status = outbox.status(known)
    assert status is not None
    assert (0, status.as_json()) == (ran.code, ran.json)
    assert {"id", "state", "reason", "history"} <= ran.json.keys()


def test_status_reads_well(run: Run, outbox: Outbox, end: End) -> None:
    """
    Without --json, state and history stand in lines of at most 80 columns.
    """
    known = outbox.enqueue(message(), campaign=LONG_TEXT, metadata={"words": LONG_TEXT * 3}).id
    end(DEAD)
    lines = run("status", known).out.splitlines()

    assert f"id        {known}" == lines[0]
    assert "state     dead" == lines[1]
    assert lines[-1].split()[1:] == ["dead", "attempts_exhausted", "304"]
    assert max(map(len, lines)) <= 80


def test_control_characters_are_not_printed(run: Run, outbox: Outbox) -> None:
    """
    A campaign can't steer the terminal.
    """
    known = outbox.enqueue(message(), campaign="red \x1b[31m").id

    assert "\x1b" not in run("status", known).out


@pytest.mark.parametrize("verb", ["status", "explain"])
@pytest.mark.parametrize("known", [NOBODY, "+31600000001"])
def test_an_unknown_id(run: Run, verb: str, known: str) -> None:
    """
    An unknown id ends with 1 and a line on standard error; a number given for an id is not repeated.
    """
    ran = run(verb, known, "--json")

    assert (1, "", 1) == (ran.code, ran.out, ran.err.count("\n"))
    assert (known == NOBODY) == (known in ran.err)


def test_explain(run: Run, outbox: Outbox) -> None:
    """
    `explain` says in a sentence where the message is.
    """
    known = outbox.enqueue(message()).id
    ran = run("explain", known)

    assert outbox.explain(known) == " ".join(ran.out.split())


def test_explain_a_stopped_lane(run: Run, outbox: Outbox, end: End) -> None:
    """
    Where a stopped lane holds the message, `explain` names the command that lets it go on.
    """
    outbox.enqueue(message(1))
    end(DEAD, stop_lane=True)
    known = outbox.enqueue(message(2)).id

    assert ["cmqueue resume normal"] == run("explain", known, "--json").json["commands"]
    assert "  -> cmqueue resume normal" in run("explain", known).out.splitlines()


def test_explain_a_dead_message(run: Run, outbox: Outbox, end: End) -> None:
    """
    Of a dead message, `explain` names the command that sends it again.
    """
    known = outbox.enqueue(message()).id
    end(DEAD)

    assert [f"cmqueue dead redrive {known}"] == run("explain", known, "--json").json["commands"]


def test_explain_a_stopped_account(run: Run, outbox: Outbox, end: End) -> None:
    """
    Where the account is stopped, `explain` sends the reader to the doctor.
    """
    outbox.enqueue(message(1))
    end(DEAD, endpoint=Endpoint("stopped", "101"))
    known = outbox.enqueue(message(2)).id

    assert ["cmqueue doctor"] == run("explain", known, "--json").json["commands"]


def test_cancel(run: Run, outbox: Outbox) -> None:
    """
    What was not sent is cancelled, each id with its answer; all cancelled ends with 0.
    """
    ids = [outbox.enqueue(message(last)).id for last in (1, 2)]
    ran = run("cancel", *ids)

    assert (0, [f"{known}  cancelled" for known in ids]) == (ran.code, ran.out.splitlines())
    assert 2 == outbox.audit().finished.total()


def test_cancel_what_cannot_be(run: Run, outbox: Outbox, end: End) -> None:
    """
    When one id of several was not cancelled, the exit code is 1 and each answer says why.
    """
    ended = outbox.enqueue(message(1)).id
    end(DEAD)
    waiting = outbox.enqueue(message(2)).id
    ran = run("cancel", ended, NOBODY, waiting, "--json")

    assert 1 == ran.code
    assert [(ended, "too_late"), (NOBODY, "not_found"), (waiting, "cancelled")] == [
        (answer["id"], answer["result"]) for answer in ran.json
    ]


def test_audit(run: Run, outbox: Outbox, end: End) -> None:
    """
    `audit --json` has the books, by state, and that they balance.
    """
    outbox.enqueue(message(1))
    end(DEAD)
    outbox.enqueue(message(2))
    ran = run("audit", "--json")

    assert 0 == ran.code
    assert {
        "enqueued": 2, "waiting": {"queued": 1}, "finished": {"dead": 1}, "balanced": True, "problems": [],
    } == ran.json  # fmt: skip


def test_an_audit_that_adds_up(run: Run, outbox: Outbox) -> None:
    """
    The table shows both sides of the sum.
    """
    list(outbox.enqueue_many(message(last) for last in range(12)))
    numbers = {line[:20].strip(): line[20:].strip() for line in run("audit").out.splitlines()}

    assert ("12", "12", "0", "12", "12") == tuple(
        numbers[name] for name in ("queued", "waiting", "finished", "waiting + finished", "enqueued")
    )


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
def test_an_audit_that_does_not_balance(run: Run, outbox: Outbox, as_json: list[str]) -> None:
    """
    Books that don't balance end with 1, and say where.
    """
    outbox.enqueue(message())
    outbox.scripts.client.delete("cmq:{AA}:lane:n")
    ran = run("audit", *as_json)

    assert 1 == ran.code
    assert "partition AA: 1 queued by rows, 0 in lanes and batches" in " ".join(ran.out.split())


@pytest.mark.parametrize(
    "verb", ["send", "status", "explain", "audit", "cancel", "resume", "dead", "suppress", "doctor"]
)
def test_every_verb_has_help(run: Run, verb: str) -> None:
    """
    Every verb stands in the help, and has help of its own within 80 columns.
    """
    ran = run(verb, "--help", COLUMNS="80")

    assert 0 == ran.code
    assert max(map(len, ran.out.splitlines())) <= 80
    assert f"  {verb} " in run("--help").out


def test_version(run_command: Run) -> None:
    """
    --version prints the installed version.
    """
    assert f"cmqueue {metadata.version('cmqueue')}\n" == run_command("--version").out


def test_no_command(run: Run) -> None:
    """
    Alone, `cmqueue` prints its help and ends with 2.
    """
    ran = run()

    assert (2, True) == (ran.code, ran.out.startswith("Usage: cmqueue"))


@pytest.mark.parametrize(
    "arguments", [["+31600000001"], ["status"], ["status", NOBODY, "x"], ["dead"], ["--x"]]
)
def test_wrong_commands(run: Run, arguments: list[str]) -> None:
    """
    What is no command, or lacks an argument, ends with 2 and one line that repeats no number.
    """
    ran = run(*arguments)

    assert (2, "", 1) == (ran.code, ran.out, ran.err.count("\n"))
    assert "600000001" not in ran.err


def test_the_reading_verbs_need_redis(run: Run) -> None:
    """
    Without Redis a reading verb ends with 1 and one line, and prints no half of an answer.
    """
    ran = run("audit", "--json", CMQUEUE_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")

    assert (1, "", 1) == (ran.code, ran.out, ran.err.count("\n"))
