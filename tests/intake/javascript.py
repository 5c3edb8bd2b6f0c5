"""CM's own JavaScript client, installed by its lock file once and kept beside the .venv."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from harness import ROOT

JS = Path(__file__).parent / "js"
MANIFESTS = ("package.json", "package-lock.json")
INSTALL_SECONDS = 100


def installed() -> Path:
    """The folder with the packages; skips where there is no node, no npm, or nothing can be installed."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node or npm is not installed")
    contents = b"".join((JS / name).read_bytes() for name in MANIFESTS)
    kept = ROOT / ".cache" / f"official-clients-{hashlib.sha256(contents).hexdigest()[:16]}"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=kept.parent))
        try:
            _install(npm, folder)
            # Another process may have been here first: one of both is as good.
            with contextlib.suppress(OSError):
                folder.rename(kept)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return kept / "node_modules"


def _install(npm: str, folder: Path) -> None:
    for name in MANIFESTS:
        shutil.copy(JS / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm installed nothing in {INSTALL_SECONDS} s")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"npm installed nothing: {error.stderr.strip()[:300]}")


def run(arguments: list[str], node_modules: Path, *, given: str = "") -> str:
    """What a node program with these arguments prints; `given` is its standard input."""
    environment = os.environ | {"NODE_PATH": str(node_modules), "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        ["node", *arguments],
        input=given, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    return done.stdout
