"""The wheel, built and installed where a web app lives, beside packages with the names of our folders."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import pytest
from fresh_python import fresh_python
from harness import ROOT
from packaging.requirements import Requirement

from demo.valkey import RunningServer

pytestmark = pytest.mark.slow

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]

#: A web app as many are: its own `config`, `worker` and `tests` at the top level.
APP = {
    "config/__init__.py": "SENDER = 'Acme'\n",
    "tests/__init__.py": "",
    "worker/__init__.py": "NAME = 'the web app\\'s own'\n",
    "app.py": """
import config, tests, worker
from cmqueue import Message, Outbox

with Outbox.from_env() as outbox:
    receipt = outbox.enqueue(Message(sender=config.SENDER, to="+31600000001", text="from a web app"))
    print(outbox.status(receipt.id).state, worker.NAME)
""",
}


def needed(lines: Iterable[str], extras: Iterable[str] = ()) -> set[str]:
    """The distributions that these requirements name, and those that they need in turn."""
    found: set[str] = set()
    for wanted in map(Requirement, lines):
        if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            continue
        found |= {wanted.name} | needed(distribution(wanted.name).requires or (), wanted.extras)
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout as `pip wheel` does it."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder]
    subprocess.run([*PIP, "wheel", *options, ROOT], check=True)
    return next(folder.glob("cmqueue-*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with the wheel and its dependencies, and nothing else.

    The dependencies are links to those of the tests' own environment: nothing is fetched, and what the wheel
    does not name is not there.
    """
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    python = fresh_python(tmp_path_factory.mktemp("app"), needed(requires))
    options = ["--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*PIP, "--python", python, "install", *options, wheel], check=True)
    return python


def test_the_wheel_holds_the_library_alone(wheel: Path) -> None:
    """Nothing but cmqueue/ lands in site-packages, with every script and the mark of its types."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    scripts = {f"cmqueue/scripts/{script.name}" for script in (ROOT / "cmqueue" / "scripts").glob("*.lua")}

    assert {"cmqueue"} == {name.partition("/")[0] for name in names}
    assert set() == (scripts | {"cmqueue/py.typed"}) - names
    assert scripts


def test_the_wheel_carries_its_licence(wheel: Path) -> None:
    """The licence travels with the code."""
    with zipfile.ZipFile(wheel) as archive:
        assert any(name.endswith("/licenses/LICENSE") for name in archive.namelist())


def test_a_web_app_keeps_its_own_packages(python: Path, valkey: RunningServer, tmp_path: Path) -> None:
    """A web app with a `config`, a `worker` and `tests` of its own enqueues, and imports its own."""
    for name, text in APP.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    said = subprocess.run(
        [python, "-W", "error", "app.py"],
        cwd=tmp_path,
        env={"CMQUEUE_REDIS_URL": valkey.url, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ("queued the web app's own\n", "") == (said.stdout, said.stderr)


def test_the_command_works_where_the_wheel_is(python: Path, tmp_path: Path) -> None:
    """`cmqueue --version` prints the wheel's version, without the checkout."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    said = subprocess.run(
        [python.parent / "cmqueue", "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert f"cmqueue {version}\n" == said.stdout
