"""The pages of the library, the frameworks and the double: every sample on them runs."""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import subprocess
import sys
import types
import unittest
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import RequestFactory, TestCase
from fastapi.testclient import TestClient
from harness import ROOT
from samples import run_python, samples

from cmqueue import Outbox
from cmqueue.integrations.django import use
from cmqueue.testing import MemoryOutbox
from cmqueue.testing import fixtures as plugin
from demo.valkey import RunningServer

PAGES = {"django", "fastapi", "flask", "library", "testing"}
#: What a page may show, and the test below that runs it.
RUN = {"python": PAGES, "sh": {"django"}, "json": {"fastapi"}}


class Orders:
    """In the place of a model: as much of a manager as the page uses."""

    def __init__(self) -> None:
        self.kept: list[types.SimpleNamespace] = []

    def create(self, **fields: Any) -> types.SimpleNamespace:
        self.kept.append(types.SimpleNamespace(pk=len(self.kept) + 1, message="", **fields))
        return self.kept[-1]

    def all(self) -> list[types.SimpleNamespace]:
        return self.kept

    def filter(self, *, pk: int) -> Orders:
        found = Orders()
        found.kept = [order for order in self.kept if order.pk == pk]
        return found

    def update(self, **fields: Any) -> None:
        for order in self.kept:
            vars(order).update(fields)


@pytest.fixture
def _here(outbox: Outbox, valkey: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the test's Redis."""
    monkeypatch.setenv("CMQUEUE_REDIS_URL", valkey.url)


def run_tests(names: dict[str, Any]) -> int:
    """Call the test functions that a page defined; how many there were."""
    tests = [test for name, test in names.items() if name.startswith("test_")]
    for test in tests:
        test()
    return len(tests)


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_sample_is_run(page: str) -> None:
    """There is none in a language that no test here knows."""
    shown = {sample.language for sample in samples(f"ways-in/{page}.md")}

    assert set() == {language for language in shown if page not in RUN.get(language, ())}


@pytest.mark.usefixtures("_here")
def test_the_library(outbox: Outbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line prints what its comment says."""
    names = run_python("ways-in/library.md")
    names["outbox"].close()
    logging.getLogger("cmqueue").setLevel(logging.NOTSET)
    said = capsys.readouterr().out

    for line in ("queued", "refused 2 to", "2 0 0", "cancelled", "True"):
        assert line in said
    assert 7 == outbox.audit().enqueued


def test_django(memory: MemoryOutbox) -> None:
    """The views enqueue: at once, and after the commit."""
    orders = Orders()
    names = run_python("ways-in/django.md", INSTALLED_APPS=[], Order=types.SimpleNamespace(objects=orders))
    ask = RequestFactory()
    with use(memory):
        with transaction.atomic():
            assert 201 == names["place_order"](ask.post("/", {"phone": "+31600000001"})).status_code
            assert [] == memory.messages
        assert 202 == names["sign_up"](ask.post("/", {"phone": "+31600000001"})).status_code
        assert 202 == names["announce"](ask.post("/")).status_code

    assert ["cmqueue.integrations.django"] == names["INSTALLED_APPS"]
    assert ["Thank you for order 1.", "Your code is 4711", "Sale!"] == [
        message.text for message in memory.messages
    ]
    assert orders.kept[0].message == memory.messages[0].id


def test_djangos_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own test passes, with its view behind the client."""
    orders = Orders()
    names = run_python("ways-in/django.md", INSTALLED_APPS=[], Order=types.SimpleNamespace(objects=orders))
    case: type[TestCase] = names["OrderTest"]
    posted = types.SimpleNamespace(
        post=lambda path, fields: names["place_order"](RequestFactory().post(path, fields))
    )
    monkeypatch.setattr(case, "client_class", staticmethod(lambda: posted))
    outcome = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(outcome)

    assert (1, [], []) == (outcome.testsRun, outcome.errors, outcome.failures)


def test_djangos_commands(outbox: Outbox, valkey: RunningServer, tmp_path: Path) -> None:
    """They run as they stand, in the example's project."""
    (script,) = samples("ways-in/django.md", "sh")
    manage = f'python() {{ shift; "{sys.executable}" -W error -m examples.django_app.manage "$@"; }}\n'
    ran = subprocess.run(
        ["sh", "-eu", "-c", manage + script.text],
        cwd=ROOT,
        env=os.environ | {"CMQUEUE_REDIS_URL": valkey.url, "EXAMPLE_DATABASE": str(tmp_path / "database")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ("", 0) == (ran.stderr, ran.returncode)
    assert "queued" in ran.stdout
    assert 1 == outbox.audit().enqueued


@pytest.mark.usefixtures("_here")
def test_flask(memory: MemoryOutbox) -> None:
    """The app answers, its test passes, and an order is enqueued after its commit."""
    names = run_python("ways-in/flask.md")
    app, extension = names["app"], names["cmqueue"]
    client = app.test_client()

    assert 1 == run_tests(names)
    with extension.use(app, memory), app.app_context(), closing(sqlite3.connect(":memory:")) as database:
        assert 202 == client.post("/signup", data={"phone": "+31600000001"}).status_code
        assert 422 == client.post("/signup", data={"phone": "oops"}).status_code
        with memory.away():
            assert 503 == client.post("/signup", data={"phone": "+31600000001"}).status_code
        database.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY, phone TEXT)")
        names["place_order"](database, "+31600000002")

    assert ["0031600000001", "0031600000002"] == [message.to for message in memory.messages]


@pytest.mark.usefixtures("_here")
def test_fastapi() -> None:
    """Both apps open; the route and its answers are what the page shows; its test passes."""
    names = run_python("ways-in/fastapi.md")
    (shown,) = samples("ways-in/fastapi.md", "json")

    with TestClient(names["other_app"]), TestClient(names["app"]) as client:
        assert 202 == client.post("/signup", params={"phone": "+31600000001"}).status_code
        refused = client.post("/signup", params={"phone": "oops"})
    assert 422 == refused.status_code
    answer, detail = json.loads(shown.text), refused.json()["detail"]
    assert answer["detail"].keys() == detail.keys()
    assert {key: detail[key] for key in ("field", "problem")} == {
        key: answer["detail"][key] for key in ("field", "problem")
    }
    assert 1 == run_tests(names)


def test_testing() -> None:
    """The tests that the page shows pass."""
    names = run_python("ways-in/testing.md")

    assert 4 == run_tests(names)
    assert [plugin.__name__] == names["pytest_plugins"]


def test_the_page_of_testing_names_what_there_is() -> None:
    """Each call and each fixture in its tables exists."""
    text = (ROOT / "docs/ways-in/testing.md").read_text()
    calls = set(re.findall(r"`(\w+)\([^`]*\)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)))
    fixtures = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))

    assert set() == {call for call in calls if not hasattr(MemoryOutbox, call)}
    assert set() == {fixture for fixture in fixtures if not hasattr(plugin, fixture)}


def pages() -> Iterator[str]:
    yield from (path.name for path in (ROOT / "docs" / "ways-in").glob("*.md"))


def test_the_overview_leads_to_every_page() -> None:
    """And each link of these pages to a file that is there."""
    folder = ROOT / "docs" / "ways-in"
    overview = (folder / "README.md").read_text()

    assert set() == {page for page in pages() if page != "README.md" and f"]({page})" not in overview}
    broken = {
        f"{page}: {target}"
        for page in ("README.md", *(f"{page}.md" for page in PAGES))
        for target in re.findall(r"\]\(([^)#\s]+)", (folder / page).read_text())
        if "://" not in target and not (folder / target).exists()
    }
    assert set() == broken
