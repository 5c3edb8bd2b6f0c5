"""`cmqueue doctor`."""

from __future__ import annotations

from collections import Counter

import click

from cmqueue.checkup import Check, Level, checkup
from cmqueue.cli.opening import speak
from cmqueue.cli.page import counted, write_json, write_wrapped
from cmqueue.cli.verb import Verb, as_json

_MARGIN = 21  #: columns before what was found


@click.command(cls=Verb)
@as_json
def doctor(as_json: bool) -> int:
    """Check settings, Redis, broker, queue, and where a worker is installed its token and CM's endpoint.

    Each line is ok, warn or fail; what is wrong says where, and what to do. Nothing is changed or sent, and
    no secret is shown. The exit code is 1 when a check fails.
    """
    speak()
    checks: list[Check] = []
    part = ""
    for check in checkup():
        checks.append(check)
        if as_json:
            continue
        if check.part != part:
            part = check.part
            click.echo(part)
        _write(check)
    failed = any(check.level is Level.FAIL for check in checks)
    if as_json:
        write_json({"ok": not failed, "checks": [check._asdict() for check in checks]})
        return int(failed)
    levels = Counter(check.level for check in checks)
    click.echo(
        f"\n{counted(levels[Level.OK], 'check')} ok, {counted(levels[Level.WARN], 'warning')}, "
        f"{counted(levels[Level.FAIL], 'failure')}."
    )
    return int(failed)


def _write(check: Check) -> None:
    found = f"{check.found} [{check.where}]" if check.where else check.found
    write_wrapped(found, indent=" " * _MARGIN, first=f"  {check.level:<5} {check.name:<{_MARGIN - 8}}")
    if check.do:
        write_wrapped(check.do, indent=" " * (_MARGIN + 3), first=" " * _MARGIN + "-> ")
