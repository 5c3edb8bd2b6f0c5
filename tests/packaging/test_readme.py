"""What the documents show works: examples are run, commands exist, links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from harness import ROOT

from cmqueue import Outbox

README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    """The README's code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_web_apps_example_runs(outbox: Outbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The README's Python runs as it stands, and does what its comments say."""
    example, handler = blocks("python")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CMQUEUE_REDIS_URL", outbox.settings.redis_url)
        names: dict[str, object] = {}
        exec(compile(example, "README.md", "exec"), names)
        names["outbox"].close()  # type: ignore[attr-defined]
        exec(compile(handler, "README.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()

    assert "2 to" in said[3].partition("has")[0]
    assert said[4].endswith(" 2 0 0")
    assert ("queued", "cancelled") == (said[5], said[-1])
    assert 5 == outbox.audit().enqueued


def test_the_commands_run(outbox: Outbox, tmp_path: Path) -> None:
    """The README's commands run as they stand, on a queue that no worker empties."""
    (script,) = (block for block in blocks("sh") if "cmqueue send" in block)
    ran = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=tmp_path,
        env={
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "CMQUEUE_REDIS_URL": outbox.settings.redis_url,
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (ran.returncode, ran.stderr)
    assert "It waits in the lane urgent" in ran.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of ours finds it, and the heading in it."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)

    assert [] == broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_make_targets_exist(page: Path) -> None:
    """Each `make X` that a document names can be made."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(), re.MULTILINE))

    assert set() == named - targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_commands_exist(page: Path) -> None:
    """Each `cmqueue X` that a document names is a command."""
    told = subprocess.run([BIN / "cmqueue", "--help"], capture_output=True, text=True, check=True).stdout
    commands = set(re.findall(r"^  ([a-z]+) ", told, re.MULTILINE))
    named = set(re.findall(r"(?:^|`|\$\()cmqueue ([a-z]+)\b", page.read_text(), re.MULTILINE))

    assert set() == named - commands
