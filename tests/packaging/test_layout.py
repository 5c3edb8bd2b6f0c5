"""The tree: what must stand where, and what must not stand in any file."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from harness import ROOT

BIN = Path(sys.executable).parent

#: What would tie the project to one machine, or to one mirror of the package index. A bracket in each keeps
#: this file from finding itself.
STRAY = re.compile(
    r"/[w]ork/|/[r]oot/|/[h]ome/[a-z]|--(?:extra-)?[i]ndex-url[ =]|https?://[^\s\"']*/[s]imple\b"
)


def committed() -> list[Path]:
    """The files that git keeps."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "cmqueue",
            "calling",
            "listening",
            "producers",
            "receivers",
            "worker",
            "config",
            "sandbox",
            "demo",
            "deploy",
            "docs",
            "tests",
        ),
        *("docker-compose.yml", "Dockerfile", "Procfile", "pyproject.toml", "Makefile", ".ci/run"),
        *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "docs/architecture.md", "examples"),
    ],
)
def test_everything_has_its_place(name: str) -> None:
    """The top level is what the documents say it is."""
    assert (ROOT / name).exists()


def test_no_file_knows_a_machine() -> None:
    """No committed file names a path of somebody's machine or the address of a package index."""
    found = {
        f"{file.relative_to(ROOT)}: {stray[0]}"
        for file in committed()
        if (stray := STRAY.search(file.read_text(errors="replace")))
    }

    assert set() == found


def test_every_import_name_has_its_docstring_or_is_empty() -> None:
    """A package's `__init__.py` says what the package is for, or says nothing at all."""
    bare = {
        str(file.relative_to(ROOT))
        for file in committed()
        if file.name == "__init__.py" and (text := file.read_text()).strip() and not text.startswith('"""')
    }

    assert set() == bare


def test_make_tells_what_can_be_made() -> None:
    """`make` alone lists the targets that the README names."""
    told = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert {"setup", "demo", "test", "check"} <= set(re.findall(r"^  make (\S+)", told, re.MULTILINE))


def test_the_procfile_starts_each_program_without_a_flag() -> None:
    """Every program starts from its environment alone."""
    lines = [line for line in (ROOT / "Procfile").read_text().splitlines() if not line.startswith("#")]

    assert {
        "worker": "celery -A worker worker",
        "intake": "python -m producers.intake",
        "sandbox": "python -m sandbox",
        "receiver": "python -m receivers.webhooks",
    } == dict(line.split(": ", 1) for line in lines)


def test_the_version_is_the_same_everywhere() -> None:
    """The checkout's command, the changelog and the image agree with pyproject.toml."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    told = subprocess.run([BIN / "cmqueue", "--version"], capture_output=True, text=True, check=True).stdout

    assert f"cmqueue {version}\n" == told
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
    assert f"image: cmqueue:{version}\n" in (ROOT / "docker-compose.yml").read_text()


def test_the_hooks_fetch_nothing() -> None:
    """Every pre-commit hook is local and runs a command of the .venv that exists."""
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]

    assert {"local"} == {repo["repo"] for repo in repos}
    for hook in (hook for repo in repos for hook in repo["hooks"]):
        assert (BIN / Path(hook["entry"].split()[0]).name).exists()
    subprocess.run([BIN / "pre-commit", "validate-config"], cwd=ROOT, check=True)
