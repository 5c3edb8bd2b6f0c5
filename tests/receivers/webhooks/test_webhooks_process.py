"""The receiver as a program: its start and end, and what it says while Redis is away, full or silent."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import requests
from harness import ROOT, eventually
from receiver_process import (
    NEXT_SECRET,
    NUMBER,
    REPORT,
    SECRET,
    Arrived,
    ReceiverProcess,
    Start,
    outbox_on,
    taker,
)

from cmqueue.inlet import Inlet
from demo.valkey import RunningServer

BASIC = "cm:canary-password"


def test_without_redis_nothing_is_taken(own_redis: RunningServer, start: Start) -> None:
    """503 with Retry-After, alive but not ready; and all is well again with Redis."""
    receiver = start(own_redis.url)
    assert 200 == receiver.post(b"before").status_code
    own_redis.stop()
    answer = receiver.post(b"lost")
    assert (503, b"") == (answer.status_code, answer.content)
    assert int(answer.headers["Retry-After"]) > 0
    assert [503, 200] == [receiver.ask("GET", path).status_code for path in ("/ready", "/health")]
    own_redis.start()
    assert 200 == receiver.post(b"after").status_code

    with outbox_on(own_redis) as outbox:
        assert [b"before", b"after"] == [one.body for one in taker(outbox)()]


def test_it_starts_before_redis(own_redis: RunningServer, start: Start) -> None:
    """A Redis that comes later is used when it is there."""
    own_redis.stop()
    receiver = start(own_redis.url)
    assert 503 == receiver.post().status_code
    own_redis.start()
    assert 200 == receiver.post().status_code


def test_a_full_redis_takes_nothing(own_redis: RunningServer, start: Start) -> None:
    """At `maxmemory` the answer is 503, and nothing of it is in the stream."""
    receiver = start(own_redis.url)
    with outbox_on(own_redis) as outbox:
        client = outbox.scripts.client
        assert 200 == receiver.post(b"before").status_code
        client.config_set("maxmemory", 1)
        refused = receiver.post(b"full")
        client.config_set("maxmemory", 0)
        assert 200 == receiver.post(b"after").status_code

        assert (503, True) == (refused.status_code, "Retry-After" in refused.headers)
        assert [b"before", b"after"] == [one.body for one in taker(outbox)()]


def test_a_silent_redis_is_not_waited_for(own_redis: RunningServer, start: Start) -> None:
    """503 after CMQUEUE_REDIS_TIMEOUT, for all that wait; /health answers meanwhile."""
    receiver = start(own_redis.url, CMQUEUE_REDIS_TIMEOUT="0.3")
    assert 200 == receiver.post().status_code
    with redis.Redis(port=own_redis.port) as client, ThreadPoolExecutor(20) as senders:
        client.execute_command("CLIENT", "PAUSE", "60000", "WRITE")
        url = f"{receiver.url}/cm/status/{SECRET}"
        answers = senders.map(lambda _: requests.post(url, data=REPORT, timeout=30), range(20))
        assert 200 == receiver.ask("GET", "/health").status_code
        told = list(answers)
        client.execute_command("CLIENT", "UNPAUSE")

    assert {503} == {answer.status_code for answer in told}
    assert max(answer.elapsed.total_seconds() for answer in told) < 3
    assert 200 == receiver.post().status_code


def test_a_broker_that_is_away_delays_nothing(own_redis: RunningServer, start: Start) -> None:
    """Who reads the inlet is woken beside the requests: where that fails, nobody hears of it."""
    receiver = start(own_redis.url, CMQUEUE_BROKER_URL="redis://127.0.0.1:9/0")
    answers = [receiver.post() for _ in range(10)]

    assert {200} == {answer.status_code for answer in answers}
    assert max(answer.elapsed.total_seconds() for answer in answers) < 1


def test_told_to_end_it_ends_with_0(own_redis: RunningServer, start: Start) -> None:
    """SIGTERM: an idle connection does not hold it, and its last lines tell what it took."""
    receiver = start(own_redis.url)
    receiver.post()

    assert 0 == receiver.terminate()
    assert [1] == [line["status"] for line in receiver.events("webhooks.taken")]
    assert "receiver.stopped" == receiver.events()[-1]["event"]


def test_told_to_end_it_answers_first(own_redis: RunningServer, start: Start) -> None:
    """A webhook in the works when SIGTERM comes gets its answer, and is there."""
    receiver = start(own_redis.url)
    receiver.post(b"before")
    with redis.Redis(port=own_redis.port) as client, ThreadPoolExecutor(1) as senders:
        client.execute_command("CLIENT", "PAUSE", "60000", "WRITE")
        answer = senders.submit(receiver.post, b"meanwhile")
        eventually(lambda: any("b" in one["flags"] for one in client.client_list()))
        receiver.process.send_signal(signal.SIGTERM)
        eventually(lambda: not _listens(receiver.port))
        client.execute_command("CLIENT", "UNPAUSE")
        assert 200 == answer.result(30).status_code
    assert 0 == receiver.process.wait(20)
    with outbox_on(own_redis) as outbox:
        assert [b"before", b"meanwhile"] == [one.body for one in taker(outbox)()]


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CMQUEUE_RECEIVER_SECRET", "secret-value"),
        ("CMQUEUE_RECEIVER_BASIC", "secret-value"),
        ("CMQUEUE_REDIS_URL", "secret-value"),
        ("CMQUEUE_RECEIVER_SOURCES", "anywhere"),
        ("CMQUEUE_LOG_LEVEL", "loud"),
        ("PORT", "99999"),
        ("HOST", "no.such.host.invalid"),
    ],
)
def test_a_wrong_setting_is_named(variable: str, value: str) -> None:
    """It ends with 1 and a line that names the variable, without a secret."""
    code, printed = _failed_start({"CMQUEUE_RECEIVER_SECRET": SECRET, "PORT": "0"} | {variable: value})

    assert (1, True) == (code, f"cmqueue receiver: {variable}: " in printed)
    assert "secret-value" not in printed
    assert "Traceback" not in printed


def test_it_needs_a_secret() -> None:
    """Without one anybody could tell it anything."""
    code, printed = _failed_start({"PORT": "0"})

    assert (1, True) == (code, "cmqueue receiver: CMQUEUE_RECEIVER_SECRET: is missing" in printed)


def test_a_port_in_use_is_named(receiver: ReceiverProcess) -> None:
    """It ends with 1, naming PORT."""
    code, printed = _failed_start({"CMQUEUE_RECEIVER_SECRET": SECRET, "PORT": str(receiver.port)})

    assert (1, True) == (code, "cmqueue receiver: PORT: cannot listen" in printed)


def _failed_start(environment: dict[str, str]) -> tuple[int, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("HOST", "PORT")}
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "receivers.webhooks"],
        cwd=ROOT, env=kept | environment, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout + ended.stderr


def test_a_start_is_told_without_what_it_keeps_secret(start: Start, valkey: RunningServer) -> None:
    """How many secrets and sources there are, and whether a password is: none of them."""
    receiver = start(valkey.url, CMQUEUE_RECEIVER_SOURCES="127.0.0.0/8", CMQUEUE_RECEIVER_BASIC=BASIC)
    (line,) = receiver.events("receiver.started")

    assert (2, 1, 0, True) == tuple(line[name] for name in ("secrets", "sources", "proxies", "basic"))
    assert "canary" not in receiver.log.read_text()


def test_nothing_secret_is_in_the_log_or_an_answer(own_redis: RunningServer, start: Start) -> None:
    """Whatever went wrong: no secret, password, number or text in any line, nor in what is answered."""
    receiver = start(own_redis.url, CMQUEUE_LOG_LEVEL="debug", CMQUEUE_RECEIVER_BASIC=BASIC)
    good = {"Authorization": requests.auth._basic_auth_str(*BASIC.split(":"))}  # type: ignore[no-untyped-call]
    inbound = json.dumps({"from": {"number": NUMBER}, "message": {"text": "canary text"}}).encode()
    query = f"?reference=canary-reference&to={NUMBER}"
    answers = [
        receiver.post(**good),
        receiver.post(inbound, "inbound", **good),
        receiver.ask("GET", f"/cm/status/{SECRET}{query}", **good),
        receiver.post(),
        receiver.post(Authorization="Basic canary"),
        receiver.post(secret=NEXT_SECRET[:-1], **good),
        receiver.ask("GET", f"/canary/{NUMBER}{query}"),
        receiver.ask("PUT", f"/cm/status/{SECRET}{query}", REPORT, **good),
        receiver.post(query="?account=canary!", **good),
        receiver.post(Content_Encoding="canary", **good),
        receiver.post(b"", **good),
        receiver.post(b"canary" * (1 << 18), **good),
    ]
    with receiver.connected() as connection:  # the path of a head that never ends, or is none
        connection.sendall(f"POST /cm/status/{SECRET} canary\r\n\r\n".encode())
        assert b"400" in connection.recv(100)
    with outbox_on(own_redis) as outbox:  # a stream that is none: Redis refuses in its own words
        Inlet(outbox).waiting()
        outbox.scripts.client.delete("cmq:inlet")
        outbox.scripts.client.set("cmq:inlet", "canary")
    answers.append(receiver.post(**good))
    own_redis.stop()
    answers.append(receiver.post(**good))
    receiver.terminate()

    assert [200, 200, 200, 401, 401, 404, 404, 405, 400, 415, 400, 413, 503, 503] == [
        answer.status_code for answer in answers
    ]
    output = receiver.log.read_text()
    assert {400, 401, 404, 405, 413, 415, 503} <= {
        line["status"] for line in receiver.events("webhooks.refused", "caller.refused")
    }
    for told in (output, *(answer.text + str(answer.headers) for answer in answers)):
        assert [] == [one for one in ("canary", SECRET, NEXT_SECRET, "600000777") if one in told]


def test_the_log_counts(start: Start, valkey: RunningServer, arrived: Arrived) -> None:
    """A line a second at most tells how many of each kind were taken, others how many were refused."""
    receiver = start(valkey.url)
    for kind, times in (("status", 5), ("inbound", 2)):
        for _ in range(times):
            receiver.post(kind=kind)
    receiver.post(b"")
    receiver.terminate()

    taken = receiver.events("webhooks.taken")
    assert {"status": 5, "inbound": 2} == {
        kind: sum(line.get(kind, 0) for line in taken) for kind in ("status", "inbound")
    }
    (refused,) = receiver.events("webhooks.refused")
    assert (400, 1) == (refused["status"], refused["count"])
    assert len(taken) < 7
