"""Runs the command many times from one start: a table of cases would take a minute of imports otherwise.

Each line of standard input is a call (JSON: arguments, settings, folder), run in a fork whose standard
streams are the files `in`, `out` and `err` of its folder; each is answered by its exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from cmqueue.cli import VERBS, main


def call(arguments: list[str], settings: dict[str, str], folder: str) -> int:
    """Be the command: runs in the fork."""
    os.environ.update(settings)
    os.chdir(folder)
    for number, (name, mode) in enumerate([("in", os.O_RDONLY), ("out", os.O_WRONLY), ("err", os.O_WRONLY)]):
        os.dup2(os.open(name, mode | (number and os.O_CREAT)), number)
    sys.argv = ["cmqueue", *arguments]
    try:
        code = main()
    except BaseException:  # noqa: BLE001  # as the interpreter does at its top
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def serve() -> None:
    for name in {verb.module for verb in VERBS.values()}:
        importlib.import_module(f"cmqueue.cli.{name}")
    with os.fdopen(os.dup(0)) as calls:  # the forks have sys.stdin for themselves
        while line := calls.readline():
            asked: dict[str, Any] = json.loads(line)
            child = os.fork()
            if child == 0:
                os._exit(call(**asked))
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)


class Zygote:
    """The process above, from outside."""

    def __init__(self, process: Any) -> None:
        self._process = process

    def run(self, folder: Path, arguments: tuple[str, ...], settings: dict[str, str], stdin: bytes) -> int:
        (folder / "in").write_bytes(stdin)
        for name in ("out", "err"):
            (folder / name).write_bytes(b"")
        asked = {"arguments": arguments, "settings": settings, "folder": str(folder)}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


if __name__ == "__main__":
    serve()
