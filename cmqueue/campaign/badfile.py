"""The file of bad rows: what is wrong with each, beside what stood there. For its owner's eyes alone."""

from __future__ import annotations

import csv
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Self

from cmqueue.campaign.source import Malformed

PRIVATE = 0o600


class BadFile:
    """CSV: line, reason, and the row as it was. It is made at the first bad row, and replaces an older one.

    Without a path nothing is kept.
    """

    def __init__(self, path: Path | None, columns: Sequence[str]) -> None:
        self.path = path
        self.rows = 0
        self._columns = columns
        self._file: IO[str] | None = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, line: int, reason: str, row: object) -> None:
        """Keep a bad row. Raises OSError."""
        self.rows += 1
        if self.path is None:
            return
        if self._file is None:
            self._begin(self.path)
        self._writer.writerow([line, reason, *_cells(row)])

    def _begin(self, path: Path) -> None:
        # Not followed where it is a link: whoever laid it there would choose what is overwritten.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):  # /dev/null is everybody's
            os.fchmod(descriptor, PRIVATE)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(["line", "reason", *self._columns])


def beside(path: Path) -> Path:
    """Where the bad rows of the file `path` go: `people.bad.csv`, beside it."""
    return path.with_name(f"{path.stem}.bad.csv")


def _cells(row: object) -> list[str]:
    if isinstance(row, Malformed):
        row = row.raw
    match row:
        case str():
            return [row.rstrip("\r\n")]
        case dict():
            return [json.dumps(row, ensure_ascii=False)]
        case list() | tuple():
            return [str(cell) for cell in row]
    return []
