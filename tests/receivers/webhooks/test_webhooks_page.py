"""docs/ways-back/webhooks.md: its commands run, and its tables are true."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from harness import eventually
from receiver_process import Arrived, ReceiverProcess
from samples import DOCS, samples

from cmqueue.inlet import Kind
from config.receiver import ReceiverSettings
from demo.valkey import RunningServer
from receivers.webhooks import app
from receivers.webhooks.webhook import address_of, methods_of

PAGE = "ways-back/webhooks.md"
TEXT = (DOCS / PAGE).read_text()


def test_every_sample_is_known() -> None:
    """Commands run below; of the proxies' files nothing can be run here."""
    assert ["sh", "sh", "text", "nginx", "caddy"] == [sample.language for sample in samples(PAGE)]


def test_it_starts_as_shown_and_answers_as_shown(
    valkey: RunningServer, arrived: Arrived, tmp_path: Path
) -> None:
    """The first command's receiver, on a port of the test's, takes the second one's report."""
    start, send = (sample.text for sample in samples(PAGE, "sh"))
    start = start.replace("redis://127.0.0.1:6379/0", valkey.url)
    environment = {name: value for name, value in os.environ.items() if name != "HOST"} | {
        "PORT": "0",
        "PYTHONPATH": str(DOCS.parent),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    told_first = start.replace("python -m", "echo $CMQUEUE_RECEIVER_SECRET; exec python -m")
    log = tmp_path / "log"
    with log.open("wb") as stream:
        shell = subprocess.Popen(
            ["bash", "-e", "-c", told_first],
            cwd=DOCS.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: "receiver.started" in log.read_text() or shell.poll() is not None)
        secret, line, *_ = log.read_text().splitlines()
        (port,) = re.findall(r'"port": (\d+)', line)
        told = subprocess.run(
            ["bash", "-c", send.replace("8030", port)],
            env=os.environ | {"CMQUEUE_RECEIVER_SECRET": secret},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
    finally:
        shell.terminate()
        shell.wait(20)

    (shown,) = samples(PAGE, "text")
    assert shown.text == told
    assert [Kind.STATUS] == [one.kind for one in arrived()]


def test_the_urls_are_those_that_it_takes() -> None:
    """Each URL of the table leads to its kind, by the methods that stand beside it."""
    rows = re.findall(r"^\| ([a-z ]+) \| `https://cm\.example\.com(\S+)` \| (.+) \|$", TEXT, re.MULTILINE)

    assert {"status reports": Kind.STATUS, "inbound messages": Kind.INBOUND, "events": Kind.EVENT} == {
        what: address.kind for what, path, _ in rows if (address := address_of(path)) is not None
    }
    for what, path, says in rows:
        address = address_of(path)
        assert address is not None
        assert set(methods_of(address.kind)) == set(re.findall(r"`([A-Z]+)`", says)), what


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ("receiver_seconds", r"`CMQUEUE_RECEIVER_SECONDS` \((\d+)\)"),
        ("receiver_guess_seconds", r"longer each time, (\d+) s at most"),
        ("receiver_per_second", r"`CMQUEUE_RECEIVER_PER_SECOND`, in one process \| (\d+) \|"),
        ("receiver_connections", r"`CMQUEUE_RECEIVER_CONNECTIONS` \| (\d+) \|"),
    ],
)
def test_the_defaults_are_those_that_hold(setting: str, shown: str) -> None:
    """What the page says of a setting is its default."""
    (found,) = re.findall(shown, TEXT)

    assert float(found) == getattr(ReceiverSettings(), setting)


def test_its_own_bounds_are_told() -> None:
    """Room for larger bodies, and how long one may be."""
    assert f"| bodies above 16 KB in the works | {app.MOST_AT_ONCE} |" in TEXT
    assert (1 << 18, True) == (
        ReceiverSettings().receiver_bytes,
        "`CMQUEUE_RECEIVER_BYTES` (256 KiB)" in TEXT,
    )


def test_the_settings_that_it_has_are_all_told() -> None:
    """Each of the receiver's own variables stands on the page."""
    own = {
        field.metadata["name"]
        for field in dataclasses.fields(ReceiverSettings)
        if field.metadata.get("name", "").startswith("CMQUEUE_RECEIVER_")
    }

    assert set() == own - set(re.findall(r"CMQUEUE_[A-Z_]+", TEXT))


def test_its_links_lead_somewhere() -> None:
    """Every page and every heading that is linked to exists."""
    headings = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    for page, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", TEXT):
        assert not page or (DOCS / "ways-back" / page).exists(), page
        assert page or anchor in headings, anchor


def test_health_needs_no_secret(receiver: ReceiverProcess) -> None:
    """As the page says of /health and /ready."""
    for path in ("/health", "/ready"):
        assert 200 == requests.get(receiver.url + path, timeout=30).status_code
