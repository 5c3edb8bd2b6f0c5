"""The process: its log, its health, a Redis that fails, how it starts and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import requests
from harness import ROOT, TOKEN, eventually
from intake_process import OTHER_TOKEN, IntakeProcess, msg, request_of

from cmqueue import Outbox
from demo.valkey import RunningServer

Start = Callable[..., IntakeProcess]
NUMBER = "0031600000001"


def test_the_log_holds_nothing_of_a_request(intake: IntakeProcess) -> None:
    """No token, number, text, reference, key, header or path in it; and every line is a JSON object."""
    canary = "Canary"
    good = msg("0031600000777", text=canary, reference=canary, customGrouping=canary)
    intake.post(request_of(good), Idempotency_Key=canary)
    intake.post(request_of(good | {"from": canary * 3, "to": [{"number": canary}]}), Idempotency_Key=canary)
    intake.post(request_of(msg("0031600000778")), Idempotency_Key=canary)
    intake.post(request_of(msg("0031600000777", richContent={canary: canary})))
    intake.post(body=canary.encode())
    intake.post(request_of(good), Cmqueue_Lane=canary)
    intake.post(request_of(good), Cmqueue_Send_At=canary)
    intake.post(request_of(good), token=canary)
    requests.get(f"{intake.url}/{canary}?{canary}", timeout=30)
    with socket.create_connection(("127.0.0.1", intake.port), timeout=10) as connection:
        connection.sendall(f"{canary} {canary}\r\n\r\n".encode())
        connection.recv(1000)

    eventually(lambda: len(intake.events("request.accepted", "request.refused", "client.refused")) >= 9)
    text = intake.log.read_text()
    assert [] == [secret for secret in (canary, "60000077", TOKEN, OTHER_TOKEN) if secret in text]
    assert all("event" in event for event in intake.events())


def test_a_request_is_one_event(intake: IntakeProcess) -> None:
    """Counts and ids: what was accepted, and with which codes the rest was rejected."""
    before = len(intake.events())
    intake.post(request_of(msg(NUMBER, "bad", NUMBER, "worse"), msg(NUMBER, text="")), Cmqueue_Lane="bulk")

    (event,) = intake.events()[before:]
    assert (
        "request.accepted",
        {"status": 200, "code": 201, "accepted": 2, "rejected": {"303": 2, "304": 1}, "duplicates": 0}
        | {"account": "default", "lane": "bulk"},
    ) == (
        event["event"],
        {
            name: event[name]
            for name in ("status", "code", "accepted", "rejected", "duplicates", "account", "lane")
        },
    )
    assert [26, 26] == [len(own) for own in event["ids"]]


def test_many_ids_go_on_further_lines(intake: IntakeProcess) -> None:
    """Container loggers cut lines at 16 KB: each carries at most 400 ids, and none is left out."""
    before = len(intake.events())
    intake.post(request_of(msg(*[NUMBER] * 1000)))

    events = intake.events()[before:]
    assert ["request.accepted", "request.continued", "request.continued"] == [e["event"] for e in events]
    assert [400, 400, 200] == [len(event["ids"]) for event in events]
    assert max(len(line) for line in intake.log.read_text().splitlines()) < 16_000


def test_it_is_alive_and_ready(intake: IntakeProcess) -> None:
    """/health and /ready."""
    for path in ("/health", "/ready"):
        assert 200 == requests.get(intake.url + path, timeout=30).status_code


def test_without_redis_nothing_is_accepted(own_redis: RunningServer, own_queue: Outbox, start: Start) -> None:
    """503 with Retry-After in an envelope, alive but not ready; and all is well again with Redis."""
    intake = start(own_redis.url)
    assert 200 == intake.post(request_of(msg(NUMBER))).status_code
    own_redis.stop()
    try:
        answer = intake.post(request_of(msg(NUMBER)))
        assert (503, 500, []) == (answer.status_code, answer.json()["errorCode"], answer.json()["messages"])
        assert int(answer.headers["Retry-After"]) > 0
        assert "nothing was queued" in answer.json()["details"]
        assert 503 == requests.get(f"{intake.url}/ready", timeout=30).status_code
        assert 200 == requests.get(f"{intake.url}/health", timeout=30).status_code
    finally:
        own_redis.start()
    assert 200 == intake.post(request_of(msg(NUMBER))).status_code
    assert 200 == requests.get(f"{intake.url}/ready", timeout=30).status_code


def test_it_starts_before_redis(own_redis: RunningServer, own_queue: Outbox, start: Start) -> None:
    """A Redis that comes later is used when it is there."""
    own_redis.stop()
    try:
        intake = start(own_redis.url)
        assert 503 == intake.post(request_of(msg(NUMBER))).status_code
    finally:
        own_redis.start()
    assert 200 == intake.post(request_of(msg(NUMBER))).status_code


def test_a_full_redis_takes_nothing(own_redis: RunningServer, own_queue: Outbox, start: Start) -> None:
    """At `maxmemory` the answer is 503, and the books are as before."""
    intake = start(own_redis.url)
    client = own_queue.scripts.client
    intake.post(request_of(msg(NUMBER)))
    client.config_set("maxmemory", 1)
    try:
        answer = intake.post(request_of(msg(NUMBER, NUMBER)))
    finally:
        client.config_set("maxmemory", 0)

    assert (503, True) == (answer.status_code, "nothing was queued" in answer.json()["details"])
    assert 1 == own_queue.audit().enqueued


def test_after_silence_a_repeat_with_the_key_is_safe(
    own_redis: RunningServer, own_queue: Outbox, start: Start
) -> None:
    """What a silent Redis may have queued: the answer says so, and a repeat with the key doubles nothing."""
    intake = start(own_redis.url, CMQUEUE_REDIS_TIMEOUT="0.3")
    intake.post(request_of(msg(NUMBER)))
    document, key = request_of(msg(NUMBER, "+447700900001")), str(uuid.uuid4())
    own_queue.scripts.client.execute_command("CLIENT", "PAUSE", "1000", "WRITE")

    silent = intake.post(document, Idempotency_Key=key)
    keyless = intake.post(document)
    with redis.Redis(port=own_redis.port) as client:
        client.execute_command("CLIENT", "UNPAUSE")
    again = intake.post(document, Idempotency_Key=key)

    assert (503, 503, 200) == (silent.status_code, keyless.status_code, again.status_code)
    assert "the same Idempotency-Key is safe" in silent.json()["details"]
    assert "may send them twice" in keyless.json()["details"]
    events = intake.events("request.accepted")
    assert 2 == len(events[-1]["ids"])
    assert own_queue.audit().enqueued in (1 + 2, 1 + 2 + 2)  # the one without a key was queued, or was not


def test_a_slow_redis_stops_no_one_else(own_redis: RunningServer, own_queue: Outbox, start: Start) -> None:
    """While Redis is silent /health answers; large requests above a bound are refused, and none is lost."""
    intake = start(own_redis.url)
    intake.post(request_of(msg(NUMBER)))
    own_queue.scripts.client.execute_command("CLIENT", "PAUSE", "60000", "WRITE")

    def ask(_: int) -> requests.Response:
        headers = {"X-CM-PRODUCTTOKEN": TOKEN}
        url = f"{intake.url}/v1.0/message"
        body = json.dumps(request_of(msg(NUMBER))).encode().ljust(20_000)
        return requests.post(url, data=body, headers=headers, timeout=60)

    with ThreadPoolExecutor(80) as clients:
        answers = clients.map(ask, range(80))
        eventually(lambda: len(intake.events("request.refused")) >= 1)
        assert 200 == requests.get(f"{intake.url}/health", timeout=1).status_code
        own_queue.scripts.client.execute_command("CLIENT", "UNPAUSE")
        told = list(answers)

    assert {200, 503} == {answer.status_code for answer in told}
    assert any("Too many requests" in answer.json()["details"] for answer in told)
    accepted = sum(answer.status_code == 200 for answer in told)
    maybe = sum("may have been" in answer.json()["details"] for answer in told)
    assert 1 + accepted <= own_queue.audit().enqueued <= 1 + accepted + maybe


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CMQUEUE_ACCOUNTS", "{secret-value"),
        ("CMQUEUE_PRODUCT_TOKEN", "secret-value"),
        ("CMQUEUE_REDIS_URL", "secret-value"),
        ("CMQUEUE_INTAKE_BYTES", "many"),
        ("CMQUEUE_INTAKE_SECONDS", "0"),
        ("CMQUEUE_LOG_LEVEL", "loud"),
        ("PORT", "99999"),
        ("HOST", "no.such.host.invalid"),
    ],
)
def test_a_wrong_setting_is_named(variable: str, value: str) -> None:
    """It ends with 1 and a line that names the variable, without a secret."""
    code, printed = _failed_start({"CMQUEUE_PRODUCT_TOKEN": TOKEN, "PORT": "0"} | {variable: value})

    assert (1, True) == (code, f"cmqueue intake: {variable}: " in printed)
    assert "secret-value" not in printed
    assert "Traceback" not in printed


def test_it_needs_a_token() -> None:
    """Without any it could accept nothing."""
    code, printed = _failed_start({"PORT": "0"})
    assert (1, True) == (code, "CMQUEUE_PRODUCT_TOKEN" in printed)


def test_a_port_in_use_is_named(intake: IntakeProcess) -> None:
    """It ends with 1, naming PORT."""
    code, printed = _failed_start({"CMQUEUE_PRODUCT_TOKEN": TOKEN, "PORT": str(intake.port)})
    assert (1, True) == (code, "cmqueue intake: PORT: cannot listen" in printed)


def test_another_key_is_refused(own_redis: RunningServer, own_queue: Outbox) -> None:
    """The messages in Redis were named with one secret key: with another it does not start."""
    own_queue.registry.agree()
    environment = {"CMQUEUE_PRODUCT_TOKEN": TOKEN, "PORT": "0", "CMQUEUE_REDIS_URL": own_redis.url}
    code, printed = _failed_start(environment | {"CMQUEUE_SECRET_KEY": "another key than the one kept"})
    assert (1, True) == (code, "cmqueue intake: CMQUEUE_SECRET_KEY: " in printed)


def test_told_to_end_it_ends_with_0(own_redis: RunningServer, own_queue: Outbox, start: Start) -> None:
    """SIGTERM: an idle connection does not hold it, and its last line says that it stopped."""
    intake = start(own_redis.url)
    intake.post(request_of(msg(NUMBER)))

    assert 0 == intake.terminate()
    assert "intake.stopped" == intake.events()[-1]["event"]


def test_told_to_end_it_answers_first(own_redis: RunningServer, own_queue: Outbox, start: Start) -> None:
    """A request in the works when SIGTERM comes gets its answer."""
    intake = start(own_redis.url)
    intake.post(request_of(msg(NUMBER)))
    client = own_queue.scripts.client
    client.execute_command("CLIENT", "PAUSE", "60000", "WRITE")
    with ThreadPoolExecutor(1) as clients:
        answer = clients.submit(intake.post, request_of(msg(NUMBER)))
        eventually(lambda: _held_back(client))
        intake.process.send_signal(signal.SIGTERM)
        eventually(lambda: not _listens(intake.port))
        client.execute_command("CLIENT", "UNPAUSE")
        assert 200 == answer.result(30).status_code
    assert 0 == intake.process.wait(20)


def _held_back(client: redis.Redis) -> bool:
    """Whether an enqueue waits for the end of a pause."""
    return any("b" in one["flags"] for one in client.client_list())


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _failed_start(environment: dict[str, str]) -> tuple[int, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("HOST", "PORT")}
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "producers.intake"],
        cwd=ROOT, env=kept | environment, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout + ended.stderr
