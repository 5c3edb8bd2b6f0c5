"""A fresh virtual environment with some of the tests' own distributions and nothing else. Fetches nothing."""

from __future__ import annotations

import venv
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path


def fresh_python(folder: Path, distributions: Iterable[str]) -> Path:
    """Its Python, in a new environment at `folder` with links to `distributions`."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    for name in distributions:
        of = distribution(name)
        for top in {file.parts[0] for file in of.files or ()} - {"..", "__pycache__"}:
            place = packages / top
            if not place.exists():
                place.symlink_to(Path(str(of.locate_file(top))))
    return folder / "bin" / "python"
