"""The Procfile, run by honcho as a person would: a message goes in by HTTP and comes out at the sandbox."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from harness import ROOT, TOKEN, descendants, eventually

from cmqueue import Outbox, State
from cmqueue.settings import LibrarySettings
from demo.valkey import RunningServer
from sandbox.running import SandboxClient

BIN = Path(sys.executable).parent
SECRET = "a-secret-of-this-test-alone"
STEP = 100  #: honcho gives each line of the Procfile the next hundred


def free_ports(count: int) -> list[int]:
    """Ports a hundred apart, all free, the first of them a number that honcho can begin at."""
    for base in range(20_000, 60_000, 7):
        try:
            for port in range(base, base + count * STEP, STEP):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return list(range(base, base + count * STEP, STEP))
    raise AssertionError("no free ports")


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, ConnectionError, TimeoutError):
        return False


@pytest.mark.slow
def test_the_procfile_delivers_a_message_and_ends_at_sigterm(
    private_valkey: RunningServer, tmp_path: Path
) -> None:
    """Worker, intake, sandbox and receiver start by the Procfile alone; SIGTERM to honcho ends them all."""
    worker, intake, sandbox, receiver = free_ports(4)
    environment = tmp_path / "test.env"
    environment.write_text(
        f"CMQUEUE_REDIS_URL={private_valkey.url}\n"
        f"CMQUEUE_PRODUCT_TOKEN={TOKEN}\n"
        f"CMQUEUE_ENDPOINT=http://127.0.0.1:{sandbox}/v1.0/message\n"
        f"CMQUEUE_RECEIVER_SECRET={SECRET}\n"
        "CMQUEUE_LOG_FORMAT=json\n"
        f"SANDBOX_FLAGS='--transactions=1 --status-url=http://127.0.0.1:{receiver}/cm/status/{SECRET}'\n"
    )
    log = tmp_path / "honcho.log"
    with log.open("wb") as stream:
        honcho = subprocess.Popen(
            [BIN / "honcho", "--env", environment, "start", "--port", str(worker)],
            cwd=ROOT,
            env=os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    try:
        eventually(lambda: answers(f"http://127.0.0.1:{intake}/ready"), 60)
        eventually(lambda: answers(f"http://127.0.0.1:{sandbox}/sandbox"), 60)
        eventually(lambda: answers(f"http://127.0.0.1:{receiver}/ready"), 60)
        assert answers(f"http://127.0.0.1:{receiver}/cm/status/{SECRET}?reference=x")
        request = Request(
            f"http://127.0.0.1:{intake}/v1.0/message",
            data=json.dumps(
                {
                    "messages": {
                        "msg": [
                            {
                                "from": "Acme",
                                "to": [{"number": "0031600000001"}],
                                "body": {"type": "auto", "content": "by the Procfile"},
                            }
                        ]
                    }
                }
            ).encode(),
            headers={"X-CM-PRODUCTTOKEN": TOKEN, "Content-Type": "application/json"},
        )
        with urlopen(request, timeout=10) as answer:
            assert 0 == json.load(answer)["errorCode"]
        client = SandboxClient(f"http://127.0.0.1:{sandbox}")
        eventually(lambda: client.counts()["messages"] == 1, 60)
        assert ["by the Procfile"] == [message["body"] for message in client.messages()]
        eventually(lambda: "worker.started" in log.read_text())
        with Outbox(LibrarySettings.from_env({"CMQUEUE_REDIS_URL": private_valkey.url})) as outbox:
            eventually(lambda: outbox.audit().finished[State.DELIVERED] == 1)

        honcho.terminate()
        honcho.wait(20)

        assert not answers(f"http://127.0.0.1:{intake}/health")
        assert not answers(f"http://127.0.0.1:{sandbox}/sandbox")
        assert not answers(f"http://127.0.0.1:{receiver}/health")
        assert "SIGKILL" not in log.read_text(), "a program had to be killed"
    finally:
        started = [honcho.pid, *descendants(honcho.pid)]  # killed alone, honcho would leave them behind
        if honcho.poll() is None:
            for pid in started:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        honcho.wait(10)
