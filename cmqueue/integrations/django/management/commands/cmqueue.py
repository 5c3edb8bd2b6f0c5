"""`python manage.py cmqueue send|status|doctor …`: the command line, with Django's settings."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cmqueue.cli import main
from cmqueue.integrations.django.outbox import WrongSetting, environment

#: Django's own options, which it has read before the command is called.
DJANGOS = ("--settings", "--pythonpath")


class Command(BaseCommand):  # type: ignore[misc]  # Django ships no types
    """Hands all its arguments to the command line, `--help` included."""

    help = "cmqueue's command line, with Django's settings: send, status, explain, cancel, audit, doctor, …"
    requires_system_checks: Sequence[str] = []  # `doctor` is for when they fail

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("arguments", nargs=argparse.REMAINDER)

    def run_from_argv(self, argv: list[str]) -> None:
        """As `manage.py` calls it: nothing of the arguments is Django's but those two options."""
        try:
            with _environment():
                code = main(_without_djangos(argv[2:]))
        except WrongSetting as error:
            self.stderr.write(f"cmqueue: {error}")
            code = 1
        if code:
            sys.exit(code)

    def print_help(self, prog_name: str, subcommand: str) -> None:  # noqa: ARG002 - Django's signature
        main(["--help"])

    def handle(self, *, arguments: list[str], **_: Any) -> None:
        """As `call_command` calls it. Raises CommandError with the exit code, where that is not 0."""
        with _environment(), redirect_stdout(self.stdout._out):  # noqa: SLF001 - what was given, without Django's line ends
            code = main(arguments)
        if code:
            raise CommandError(f"cmqueue ended with {code}", returncode=code)


def _without_djangos(arguments: Sequence[str]) -> list[str]:
    left, rest = [], iter(arguments)
    for argument in rest:
        if argument in DJANGOS:
            next(rest, None)
        elif not argument.startswith(tuple(f"{option}=" for option in DJANGOS)):
            left.append(argument)
    return left


@contextmanager
def _environment() -> Iterator[None]:
    """The process's environment is Django's settings, and its log as it was afterwards."""
    before, logger = os.environ.copy(), logging.getLogger("cmqueue")
    handlers, propagate = logger.handlers, logger.propagate
    os.environ.update(environment())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        logger.handlers, logger.propagate = handlers, propagate
