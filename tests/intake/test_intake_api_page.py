"""docs/ways-in/http-api.md: its samples run against a real intake, and its tables are true."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess

import pytest
from harness import TOKEN
from intake_process import IntakeProcess
from samples import samples

from config.intake import IntakeSettings
from producers.intake.problem import Kind

PAGE = "ways-in/http-api.md"
TEXT = samples(PAGE)[0].page.read_text()


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("jq") is None, reason="no curl, or no jq")
def test_the_commands_print_what_is_shown(intake: IntakeProcess) -> None:
    """Queued, explained, counted, taken back."""
    (script,) = samples(PAGE, "sh")
    (shown,) = samples(PAGE, "text")
    ran = subprocess.run(
        ["sh", "-eu", "-c", script.text],
        env={"PATH": os.environ["PATH"], "INTAKE": intake.url, "TOKEN": TOKEN},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (0, "") == (ran.returncode, ran.stderr)
    said, expected = ran.stdout.splitlines(), shown.text.splitlines()
    assert len(expected) == len(said)
    # An explanation goes on with the time at which the message expires.
    assert [line[: len(start)] for line, start in zip(said, expected, strict=True)] == expected


def test_the_exchange_is_as_shown(intake: IntakeProcess) -> None:
    """The request as it stands gets the answer as it stands."""
    (exchange,) = samples(PAGE, "http")
    request, _, answer = exchange.text.partition("\n\n")
    with socket.create_connection(("127.0.0.1", intake.port), timeout=10) as connection:
        connection.sendall((request.replace("$TOKEN", TOKEN) + "\n\n").replace("\n", "\r\n").encode())
        response = http.client.HTTPResponse(connection)
        response.begin()
        body = response.read().decode()
    shown_head, _, shown_body = answer.strip().partition("\n\n")

    status_line, *headers = shown_head.splitlines()
    assert status_line == f"HTTP/1.1 {response.status} {response.reason}"
    assert [] == [line for line in headers if line not in str(response.headers).splitlines()]
    assert shown_body == body


def test_the_clients_shown_are_taken() -> None:
    """The JSON is a setting as it stands."""
    (clients,) = samples(PAGE, "json")
    found = IntakeSettings.from_env({"CMQUEUE_CLIENT_TOKENS": clients.text})

    assert json.loads(clients.text).keys() == {client.name for client in found.clients or ()}


def test_every_kind_of_problem_is_in_the_table() -> None:
    """With its status."""
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", TEXT, re.MULTILINE))

    assert {kind.uri.rpartition(":")[2]: str(kind.status) for kind in Kind} == told


def test_every_sample_is_checked() -> None:
    """The languages above are all that the page has."""
    assert {"sh", "text", "http", "json"} == {sample.language for sample in samples(PAGE)}


def test_the_limits_told_are_the_defaults() -> None:
    """Where the page gives a number beside a variable, it is the variable's default."""
    settings = IntakeSettings()

    assert "`CMQUEUE_INTAKE_BYTES`, 4 MiB" in TEXT
    assert (4 << 20, 10, 800, 5) == (
        settings.intake_bytes, settings.intake_seconds, settings.intake_connections, settings.guess_seconds,
    )  # fmt: skip
