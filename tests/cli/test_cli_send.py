"""`cmqueue send`."""

from __future__ import annotations

import socket
import time

import pytest
from command import Run, free_port

from cmqueue import Outbox, State
from cmqueue.job import Job
from cmqueue.lane import Lane

NUMBER, OTHER = "+31600000001", "+31600000002"
SECRET_TEXT = "the code is 4711"
SEND = ("send", "--from", "Acme", "--to", NUMBER)


def queued(outbox: Outbox) -> int:
    return outbox.audit().enqueued


def job_of_the_only_message(outbox: Outbox, lane: Lane = Lane.NORMAL) -> Job:
    (job,) = outbox.scripts.client.lrange(f"cmq:{{AA}}:lane:{lane.letter}", 0, -1)
    return Job.unpack(job)


def test_send_prints_the_id(run_command: Run, outbox: Outbox) -> None:
    """
    `send` queues one message and prints its id, nothing else.
    """
    ran = run_command(*SEND, SECRET_TEXT)

    assert (0, "") == (ran.code, ran.err)
    status = outbox.status(ran.out.strip())
    assert status is not None
    assert State.QUEUED is status.state


def test_send_takes_the_librarys_options(run: Run, outbox: Outbox) -> None:
    """
    Lane, expiry, due time, guarantee, campaign, client reference and metadata reach the message.
    """
    ran = run(
        *SEND, "--lane", "bulk", "--expires-in", "60", "--send-at", "2099-01-01T00:00:00+01:00",
        "--guarantee", "at_least_once", "--campaign", "spring", "--client-reference", "order-17",
        "--metadata", '{"order": 17}', "--channel", "whatsapp", SECRET_TEXT,
    )  # fmt: skip

    status = outbox.status(ran.out.strip())
    assert status is not None
    said = status.as_json()
    assert {
        "state": "scheduled",
        "lane": "bulk",
        "guarantee": "at_least_once",
        "expires_at": "2098-12-31T23:01:00Z",
        "campaign": "spring",
        "client_reference": "order-17",
        "metadata": {"order": 17},
    } == {name: said[name] for name in said if name not in _OTHERS}


_OTHERS = {
    *("id", "reason", "code", "attempts", "resends", "parts", "note", "history"),
    *("resend_of", "resent_as"),
}


def test_text_from_standard_input(run_command: Run, outbox: Outbox) -> None:
    """
    A TEXT of - is read from standard input, without the newline at its end.
    """
    run_command(*SEND, "-", stdin="één regel\nen nog één\n".encode())

    assert 'één regel\\nen nog één"'.encode() in job_of_the_only_message(outbox).content


def test_an_account_has_its_own_partition(run: Run, outbox: Outbox) -> None:
    """
    With --account the message belongs to that account.
    """
    run(*SEND, "--account", "shop", SECRET_TEXT)

    assert ["shop"] == [account for account, _ in outbox.registry.known().values()]


def test_national_numbers(run: Run, outbox: Outbox) -> None:
    """
    CMQUEUE_DEFAULT_REGION lets a national number be given.
    """
    pytest.importorskip("phonenumbers")
    assert 0 == run("send", "--from", "Acme", "--to", "0600000001", "x", CMQUEUE_DEFAULT_REGION="NL").code
    assert "0031600000001" == job_of_the_only_message(outbox).number


def test_several_recipients(run: Run, outbox: Outbox) -> None:
    """
    Several --to print an id each, in their order; the same number twice is one message.
    """
    ran = run(*SEND, "--to", OTHER, "--to", NUMBER, SECRET_TEXT)

    first, second, third = ran.out.split()
    assert first == third != second
    assert 2 == queued(outbox)


def test_send_as_json(run: Run) -> None:
    """
    --json prints id, reference and duplicate of each recipient.
    """
    one, other = run(*SEND, "--to", NUMBER, "--json", SECRET_TEXT).json

    assert other == one | {"duplicate": True}
    assert ["id", "reference", "duplicate"] == list(one)


@pytest.mark.parametrize("numbers", [[NUMBER], [NUMBER, OTHER]], ids=["one", "several"])
def test_an_idempotency_key(run: Run, outbox: Outbox, numbers: list[str]) -> None:
    """
    A repeat with the same idempotency key prints the same ids and queues nothing.
    """
    to = [part for number in numbers for part in ("--to", number)]
    send = ("send", "--from", "Acme", *to, "--idempotency-key", "k", SECRET_TEXT)

    assert run(*send).out == run(*send).out
    assert len(numbers) == queued(outbox)


def test_a_repeat_reaches_only_who_was_missed(run: Run, outbox: Outbox) -> None:
    """
    Several --to with a key and one number more: only that one is new.
    """
    run(*SEND, "--to", OTHER, "--idempotency-key", "k", SECRET_TEXT)
    ran = run(*SEND, "--to", OTHER, "--to", "+31600000003", "--idempotency-key", "k", "--json", SECRET_TEXT)

    assert [True, True, False] == [receipt["duplicate"] for receipt in ran.json]
    assert 3 == queued(outbox)


@pytest.mark.parametrize("numbers", [1, 2])
def test_a_key_of_another_message(run: Run, outbox: Outbox, numbers: int) -> None:
    """
    An idempotency key that belongs to another text is refused, naming the first message.
    """
    send = ("send", "--from", "Acme", *("--to", NUMBER, "--to", OTHER)[: 2 * numbers])
    run(*send, "--idempotency-key", "k", "another text")
    ran = run(*send, "--idempotency-key", "k", SECRET_TEXT)

    assert (1, "", 1) == (ran.code, ran.out, ran.err.count("\n"))
    assert "idempotency key was already used" in ran.err
    assert numbers == queued(outbox)


REFUSED = {
    "malformed number": (["send", "--from", "A", "--to", "+3160", SECRET_TEXT], "--to"),
    "no prefix": (["send", "--from", "A", "--to", "0600000001", SECRET_TEXT], "--to"),
    "letters": (["send", "--from", "A", "--to", "+31600000oo1", SECRET_TEXT], "--to"),
    "empty text": ([*SEND, ""], "TEXT"),
    "empty input": ([*SEND, "-"], "TEXT"),
    "sender of 12 letters": (["send", "--from", "A" * 12, "--to", NUMBER, SECRET_TEXT], "--from"),
    "unknown channel": ([*SEND, "--channel", "pigeon", SECRET_TEXT], "--channel"),
    "metadata": ([*SEND, "--metadata", "{order: 17", SECRET_TEXT], "--metadata"),
    "metadata of no object": ([*SEND, "--metadata", "17", SECRET_TEXT], "--metadata"),
    "naive time": ([*SEND, "--send-at", "2099-01-01T00:00:00", SECRET_TEXT], "--send-at"),
    "no time": ([*SEND, "--send-at", "tomorrow", SECRET_TEXT], "--send-at"),
    "long key": ([*SEND, "--idempotency-key", "k" * 256, SECRET_TEXT], "--idempotency-key"),
    "one of several": ([*SEND, "--to", OTHER, "--to", "+316", SECRET_TEXT], "--to (3 of 3)"),
}
WRONG_USAGE = {
    "unknown lane": [*SEND, "--lane", "fast", SECRET_TEXT],
    "negative expiry": [*SEND, "--expires-in", "-5", SECRET_TEXT],
    "expiry of nothing": [*SEND, "--expires-in", "0", SECRET_TEXT],
    "expiry of no number": [*SEND, "--expires-in", SECRET_TEXT, SECRET_TEXT],
    "endless expiry": [*SEND, "--expires-in", "nan", SECRET_TEXT],
    "unknown guarantee": [*SEND, "--guarantee", "always", SECRET_TEXT],
    "odd account": [*SEND, "--account", "a:b", SECRET_TEXT],
    "unknown option": [*SEND, "--urgent", SECRET_TEXT],
    "text like an option": [*SEND, f"--{SECRET_TEXT}"],
    "no text": [*SEND],
    "no sender": ["send", "--to", NUMBER, SECRET_TEXT],
    "no recipient": ["send", "--from", "A", SECRET_TEXT],
    "text in words": [*SEND, *SECRET_TEXT.split()],
}


def assert_one_line_without_values(error: str) -> None:
    assert error.startswith("cmqueue")
    assert (1, "\n") == (error.count("\n"), error[-1:])
    assert not any(value in error for value in (NUMBER, NUMBER[1:], SECRET_TEXT, "4711", "Traceback"))


@pytest.mark.parametrize("case", REFUSED)
def test_refused(run: Run, outbox: Outbox, case: str) -> None:
    """
    A wrong value ends with 1 and a line that names the option; nothing is queued, no number or text printed.
    """
    arguments, named = REFUSED[case]
    ran = run(*arguments)

    assert (1, "") == (ran.code, ran.out)
    assert ran.err.startswith(f"cmqueue: {named}: ")
    assert_one_line_without_values(ran.err)
    assert 0 == queued(outbox)


@pytest.mark.parametrize("case", WRONG_USAGE)
def test_wrong_usage(run: Run, outbox: Outbox, case: str) -> None:
    """
    Wrong usage ends with 2 and a line that names the help; nothing is queued, no number or text printed.
    """
    ran = run(*WRONG_USAGE[case])

    assert (2, "") == (ran.code, ran.out)
    assert "see `cmqueue send --help`" in ran.err
    assert_one_line_without_values(ran.err)
    assert 0 == queued(outbox)


def test_input_that_is_not_utf_8(run: Run) -> None:
    """
    Standard input that is not UTF-8 is refused.
    """
    ran = run(*SEND, "-", stdin=b"caf\xe9")

    assert 1 == ran.code
    assert ran.err.startswith("cmqueue: TEXT: is not UTF-8")


WRONG_SETTINGS = {
    "CMQUEUE_REDIS_URL": "http://127.0.0.1:1",
    "CMQUEUE_BROKER_URL": "amqp://127.0.0.1:1",
    "CMQUEUE_SECRET_KEY": "short",
    "CMQUEUE_REDIS_TIMEOUT": "soon",
    "CMQUEUE_SHARDS": "0",
    "CMQUEUE_RETENTION_SECONDS": "1",
}


@pytest.mark.parametrize("variable", WRONG_SETTINGS)
def test_a_wrong_setting(run: Run, variable: str) -> None:
    """
    A wrong setting ends with 1 and a line that begins with its variable.
    """
    ran = run(*SEND, SECRET_TEXT, **{variable: WRONG_SETTINGS[variable]})

    assert (1, "") == (ran.code, ran.out)
    assert ran.err.startswith(f"cmqueue: {variable}: ")
    assert_one_line_without_values(ran.err)


def test_a_url_that_the_client_cannot_read(run: Run) -> None:
    """
    A URL with a port that is none names its variable, and shows no password.
    """
    ran = run(*SEND, SECRET_TEXT, CMQUEUE_REDIS_URL="redis://:opensesame@127.0.0.1:six/0")

    assert 1 == ran.code
    assert ran.err.startswith("cmqueue: CMQUEUE_REDIS_URL: ")
    assert "opensesame" not in ran.err


def test_another_key(run: Run, outbox: Outbox) -> None:
    """
    A secret key other than the installation's is refused.
    """
    assert outbox.registry.key
    ran = run(*SEND, SECRET_TEXT, CMQUEUE_SECRET_KEY="another key of enough letters")

    assert 1 == ran.code
    assert ran.err.startswith("cmqueue: CMQUEUE_SECRET_KEY: ")


def test_a_redis_that_refuses(run: Run) -> None:
    """
    No Redis where it should be: 1, and a line that says nothing was queued.
    """
    ran = run(*SEND, SECRET_TEXT, CMQUEUE_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")

    assert (1, "") == (ran.code, ran.out)
    assert "nothing was enqueued" in ran.err
    assert_one_line_without_values(ran.err)


def test_a_redis_that_never_answers(run_command: Run) -> None:
    """
    A listener that says nothing is waited for no longer than CMQUEUE_REDIS_TIMEOUT.
    """
    began = time.monotonic()
    run_command("--version")
    start_up = time.monotonic() - began
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        began = time.monotonic()
        ran = run_command(*SEND, SECRET_TEXT, CMQUEUE_REDIS_URL=url, CMQUEUE_REDIS_TIMEOUT="3")
        waited = time.monotonic() - began

    assert (1, "") == (ran.code, ran.out)
    assert_one_line_without_values(ran.err)
    assert waited < 3 + 2 * start_up


def test_a_broker_that_is_away(run_command: Run, outbox: Outbox) -> None:
    """
    Without the broker the message is queued all the same, with a warning in one line.
    """
    ran = run_command(*SEND, "--json", SECRET_TEXT, CMQUEUE_BROKER_URL=f"redis://127.0.0.1:{free_port()}/0")

    assert 0 == ran.code
    assert outbox.status(ran.json[0]["id"])
    assert ran.err.startswith("cmqueue: warning: the broker took no wake-up")
    assert 1 == ran.err.count("\n")
