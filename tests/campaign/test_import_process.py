"""`cmqueue import` as a process: killed, interrupted, asked, its spool, its terminal."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from campaigns import HELLO, TEXT, Command, once_each, reached, rows
from harness import COMMAND, eventually

from cmqueue import Outbox

pytestmark = pytest.mark.slow

Start = Callable[..., "subprocess.Popen[bytes]"]
COUNT = {"fixed": 24_000, "names": 8_000}


def begun(outbox: Outbox) -> Callable[[], bool]:
    """Whether anything was enqueued yet."""
    return lambda: bool(outbox.scripts.client.exists("cmq:{AA}:lane:b"))


def test_killed_and_run_again(start: Start, run: Command, outbox: Outbox, tmp_path: Path) -> None:
    """After kill -9 in the middle the same command enqueues the rest, and nobody twice."""
    (tmp_path / "people.csv").write_text(rows(COUNT["names"]))
    arguments = ("import", "people.csv", "--from", "Acme", "--text", HELLO)
    first = start(*arguments)
    eventually(begun(outbox), every=0.002)
    first.kill()
    first.wait(60)
    there = outbox.audit().enqueued
    assert 0 < there < COUNT["names"]

    second = run(*arguments)

    assert (0, "") == (second.code, second.err)
    assert once_each(COUNT["names"]) == reached(outbox)
    assert f"had it before  {there:,}" in second.out


def test_ctrl_c_and_run_again(start: Start, run: Command, outbox: Outbox, tmp_path: Path) -> None:
    """The first Ctrl-C ends what is begun: exit code 130, how far it came, how to go on; then it goes on."""
    (tmp_path / "people.csv").write_text(rows(COUNT["fixed"]))
    arguments = ("import", "people.csv", "--from", "Acme", "--text", TEXT)
    first = start(*arguments)
    eventually(begun(outbox), every=0.002)
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=30)

    assert 130 == first.returncode
    told = re.fullmatch(r"cmqueue: interrupted, after ([0-9,]+) of 24,000 rows; the same .*\n", err.decode())
    assert told is not None
    there = int(told[1].replace(",", ""))
    assert there == outbox.audit().enqueued < COUNT["fixed"]
    assert f"enqueued   {there:,}" in out.decode()

    assert 0 == run(*arguments).code
    assert once_each(COUNT["fixed"]) == reached(outbox)


def test_redis_that_stops_and_run_again(start: Start, run: Command, outbox: Outbox, tmp_path: Path) -> None:
    """A Redis that takes nothing more ends the run with 1, and how to go on; then it goes on."""
    (tmp_path / "people.csv").write_text(rows(COUNT["names"]))
    arguments = ("import", "people.csv", "--from", "Acme", "--text", HELLO)
    client = outbox.scripts.client
    first = start(*arguments)
    eventually(begun(outbox), every=0.002)
    client.client_pause(60_000, all=False)  # scripts wait, questions are answered
    _, err = first.communicate(timeout=30)
    client.client_unpause()

    assert 1 == first.returncode
    assert b"\ncmqueue: Redis did not answer in time, after " in b"\n" + err
    assert err.endswith(b"rows; the same command with the same input goes on, and doubles nobody\n")
    assert 0 == run(*arguments).code
    assert once_each(COUNT["names"]) == reached(outbox)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_the_spool_is_private_and_goes(start: Start, tmp_path: Path, ending: signal.Signals) -> None:
    """Standard input lies in a file that has no name and no other reader, however the process ends."""
    process = start("import", "-", "--from", "Acme", "--text", TEXT, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"3160000001\n\n" * (1 << 18))  # 3 MiB: three pieces, and it waits for more
    process.stdin.flush()
    folder = Path(f"/proc/{process.pid}/fd")

    def spools() -> list[Path]:
        return [link for link in folder.iterdir() if str(tmp_path / "tmp") in str(link.readlink())]

    eventually(lambda: spools() and spools()[0].stat().st_size > (3 << 20) - (1 << 16))
    (spool,) = spools()
    assert (0o600, 0) == (spool.stat().st_mode & 0o777, spool.stat().st_nlink)
    assert [] == list((tmp_path / "tmp").iterdir())
    process.send_signal(ending)
    process.wait(60)

    assert [] == list((tmp_path / "tmp").iterdir())
    if ending is signal.SIGINT:
        assert 130 == process.returncode


def on_a_terminal(start: Start, *arguments: str, answer: bytes, **popen: object) -> tuple[int, str]:
    """The command on a terminal of 80 columns: its exit code, and all that was written there."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = start(*arguments, **({"stdin": theirs, "stdout": theirs, "stderr": theirs} | popen))
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        said += piece
        if b"[y/N]" in piece:
            os.write(ours, answer)
    os.close(ours)
    return process.wait(30), said.decode()


@pytest.mark.parametrize(("answer", "code", "count"), [(b"\n", 1, 0), (b"y\n", 0, 500)])
def test_on_a_terminal_it_asks(
    start: Start, outbox: Outbox, tmp_path: Path, answer: bytes, code: int, count: int
) -> None:
    """The page first, then the question; only a yes enqueues. Nothing is wider than 80 columns."""
    (tmp_path / "people.csv").write_text(rows(500))
    ended, said = on_a_terminal(
        start, "import", "people.csv", "--from", "Acme", "--text", "Ĥ" + TEXT, answer=answer
    )

    assert (code, count) == (ended, outbox.audit().enqueued)
    assert "Enqueue 500 messages? [y/N]" in said
    assert said.index("finish") < said.index("[y/N]")
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said).replace("\r", "\n").split("\n")
    assert max(map(len, lines)) <= 80


def test_it_asks_at_the_terminal_when_the_file_is_standard_input(outbox: Outbox, tmp_path: Path) -> None:
    """What is read from standard input is no answer: the terminal is asked itself."""
    (tmp_path / "people.csv").write_text(rows(5))
    line = f"{COMMAND} import - --from Acme --text '{TEXT}' < people.csv"
    program = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    ended = subprocess.run(
        [sys.executable, "-c", program, "sh", "-c", line],
        cwd=tmp_path,
        env=os.environ | {"CMQUEUE_REDIS_URL": outbox.settings.redis_url},
        input=b"y\n",
        capture_output=True,
        timeout=30,
        check=False,
    )

    assert b"Enqueue 5 messages? [y/N]" in ended.stdout
    assert (0, 5) == (ended.returncode, outbox.audit().enqueued)


def test_yes_and_a_bar(start: Start, outbox: Outbox, tmp_path: Path) -> None:
    """--yes answers before the question. While it enqueues a bar shows rows, rate and the time left."""
    (tmp_path / "people.csv").write_text(rows(COUNT["names"]))
    ended, said = on_a_terminal(
        start, "import", "people.csv", "--from", "Acme", "--text", HELLO, "--yes", answer=b""
    )

    assert (0, COUNT["names"]) == (ended, outbox.audit().enqueued)
    assert "[y/N]" not in said
    assert re.search(r"enqueueing", said)
    assert re.search(r"[0-9]+/8000", said)
    assert re.search(r"[0-9,]+/s", said)


def test_memory_and_pace_of_a_large_file(start: Start, tmp_path: Path) -> None:
    """100,000 rows of a fixed text: less than 150 MiB resident, whatever is in the file."""
    (tmp_path / "people.csv").write_text(rows(100_000))
    process = start("import", "people.csv", "--from", "Acme", "--text", TEXT)
    watched, most = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            most = max(most, watched.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.01)

    assert 0 == process.wait(30)
    assert 20 < most / (1 << 20) < 150
