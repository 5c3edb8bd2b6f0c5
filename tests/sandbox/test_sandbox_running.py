"""The process: how it starts, what it prints, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.__main__ import read_options
from sandbox.running import running

CHECKOUT = Path(__file__).parents[2]
TOKEN = "11111111-1111-1111-1111-111111111111"


def test_without_flags_it_listens_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Port 8020, or what PORT and HOST say."""
    monkeypatch.delenv("PORT", raising=False)
    monkeypatch.delenv("HOST", raising=False)
    assert ("127.0.0.1", 8020) == ((options := read_options([])).host, options.port)
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("HOST", "0.0.0.0")
    assert ("0.0.0.0", 9000) == ((options := read_options([])).host, options.port)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port=x"],
        ["--port=70000"],
        ["--rate=0"],
        ["--rate=nan"],
        ["--latency=slow"],
        ["--fault={}"],
        ["--fault={"],
        ["--keep=-1"],
    ],
)
def test_wrong_flags_are_refused_by_name(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    with pytest.raises(SystemExit) as caught:
        read_options(arguments)
    assert 2 == caught.value.code
    assert arguments[0].partition("=")[0] in capsys.readouterr().err


def test_the_fault_flag_takes_one_or_several() -> None:
    """An object or an array, as the API does; and the flag may be repeated."""
    options = read_options(["--fault", '[{"kind":"slow"},{"kind":"hang"}]', "--fault", '{"kind":"status"}'])
    assert ["slow", "hang", "status"] == [fault.kind for fault in options.faults]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    """One line of output, exit code 0, also with a connection open."""
    command = [sys.executable, "-m", "sandbox", "--port", "0"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("sandbox listening on http://127.0.0.1:")
        with socket.create_connection(("127.0.0.1", urlsplit(line.split()[-1]).port or 0)):
            process.send_signal(number)
            assert 0 == process.wait(10)
        assert "" == process.stdout.read()


def test_a_port_in_use_is_said_in_one_line() -> None:
    """Exit code 1, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "sandbox", "--port", str(taken.getsockname()[1])]
        result = subprocess.run(
            command, cwd=CHECKOUT, capture_output=True, text=True, timeout=10, check=False
        )
    assert 1 == result.returncode
    assert "in use" in result.stderr
    assert "Traceback" not in result.stderr


def test_running_gives_an_address_of_its_own() -> None:
    """Two at once; each ends with its block."""
    with running() as first, running() as second:
        assert first.url != second.url
        assert f"{first.url}/v1.0/message" == first.endpoint
        assert 0 == second.counts()["messages"]
    with pytest.raises(ProcessLookupError):
        os.kill(first.pid, 0)


def test_running_says_when_it_could_not_start() -> None:
    """Instead of waiting for ever."""
    with pytest.raises(RuntimeError, match="did not start"), running(latency="nonsense"):
        pass


def test_it_ends_with_its_parent() -> None:
    """Also when the parent is killed and cleans nothing up."""
    program = (
        "import os\nfrom sandbox.running import running\n"
        "with running() as sandbox:\n    print(sandbox.url, flush=True)\n    os.kill(os.getpid(), 9)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, timeout=20, check=False
    )
    address = urlsplit(result.stdout.strip())
    give_up = time.monotonic() + 10
    gone = False
    while not gone and time.monotonic() < give_up:
        try:
            socket.create_connection((address.hostname or "", address.port or 0)).close()
            time.sleep(0.02)
        except ConnectionRefusedError:
            gone = True
    assert gone


def test_faults_may_be_in_force_from_the_start(
    post: Callable[..., Any], message: Callable[..., dict[str, Any]]
) -> None:
    """The flag takes what the API takes."""
    with running(fault=[{"kind": "status", "status": 502, "count": 1}]) as sandbox:
        assert [502, 200] == [post(sandbox, message()).status for _ in range(2)]


def test_only_named_tokens_are_accepted(
    post: Callable[..., Any], message: Callable[..., dict[str, Any]]
) -> None:
    """Where any are named."""
    with running(token=[TOKEN]) as sandbox:
        other = {"X-CM-PRODUCTTOKEN": "22222222-2222-2222-2222-222222222222"}
        assert 200 == post(sandbox, message()).status
        assert 101 == post(sandbox, message(), **other).document["errorCode"]


def test_every_answer_takes_its_latency(
    post: Callable[..., Any], message: Callable[..., dict[str, Any]]
) -> None:
    """Those of the gateway, not those of the sandbox's own API."""
    with running(latency="fixed:100") as sandbox:
        began = time.monotonic()
        post(sandbox, message())
        assert time.monotonic() - began >= 0.1


def test_count_only_keeps_counts_and_no_texts(
    post: Callable[..., Any], message: Callable[..., dict[str, Any]]
) -> None:
    """Every row is accepted and every pair counted."""
    with running(count_only=True) as sandbox:
        reply = post(sandbox, message("x", "0031600000001"))
        assert ["Accepted", "Accepted"] == [row["status"] for row in reply.document["messages"]]
        assert {("REF1", "x"): 1, ("REF1", "0031600000001"): 1} == sandbox.pairs()
        assert [] == sandbox.messages()


def test_pairs_may_be_left_uncounted(
    post: Callable[..., Any], message: Callable[..., dict[str, Any]]
) -> None:
    """Then nobody knows of duplicates, and memory does not grow."""
    with running(count_only=True, no_pairs=True) as sandbox:
        post(sandbox, message(), message())
        counts = sandbox.counts()
        assert (2, None, None) == (counts["messages"], counts["unique"], counts["duplicates"])
        assert {} == sandbox.pairs()


def test_arrivals_tell_when_a_message_first_came(
    post: Callable[..., Any], message: Callable[..., dict[str, Any]]
) -> None:
    """A repeat changes nothing: what is measured is how long the first one took."""
    with running(count_only=True, arrivals=True) as sandbox:
        before = time.time()
        post(sandbox, message("0031600000001"))
        between = time.time()
        post(sandbox, message("0031600000001"))
        ((pair, at),) = sandbox.arrivals().items()
        assert ("REF1", "0031600000001") == pair
        assert before <= at <= between
        sandbox.reset()
        assert {} == sandbox.arrivals()


def test_flags_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Procfile starts it without any; those on the command line come last."""
    monkeypatch.setenv("SANDBOX_FLAGS", "--transactions=2 --status-url=http://127.0.0.1:1/x --seed=3")
    monkeypatch.setattr(sys, "argv", ["sandbox", "--seed=4"])
    options = read_options()

    assert {"transactions": 2.0, "status_url": "http://127.0.0.1:1/x"} == options.webhooks
    assert 4 == options.seed
