"""`python -m sandbox`: start the stand-in for CM's gateway."""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from sandbox import course, numbers, webhooks
from sandbox.faults import BadFault, Fault, read_faults
from sandbox.latency import read_latency
from sandbox.server import Options, serve
from sandbox.webhooks import BadWebhooks, read_webhooks

_LARGEST = 2**31


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end; the exit code."""
    options = read_options(arguments)
    try:
        serve(options)
    except OSError as problem:
        print(f"sandbox: {problem}", file=sys.stderr)  # noqa: T201 (what a person reads)
        return 1
    return 0


def read_options(arguments: Sequence[str] | None = None) -> Options:
    """The flags, before them those of `$SANDBOX_FLAGS`, and `$HOST` and `$PORT`.

    Exits with 2 and a message when one is wrong.
    """
    if arguments is None:
        arguments = [*shlex.split(os.environ.get("SANDBOX_FLAGS", "")), *sys.argv[1:]]
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A local stand-in for CM's gateway. Without the flags that name a URL it tells nothing. "
        "Flags may also stand in $SANDBOX_FLAGS; those given here come after them.",
        epilog="\n".join(str(module.__doc__) for module in (webhooks, course, numbers)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    flag = parser.add_argument
    flag("--port", type=_port, default=os.environ.get("PORT") or "8020", help="default $PORT or 8020; 0: any")
    flag("--seed", type=int, default=0, help="of the generator behind probabilities and latencies")
    flag(
        "--count-only", action="store_true", help="accept everything unread, keep no texts: for measurements"
    )
    flag(
        "--pairs",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="count each (reference, number); without, memory does not grow with the messages",
    )
    flag("--arrivals", action="store_true", help="remember when each (reference, number) first came")
    flag("--keep", type=_whole, default=20_000, metavar="N", help="messages kept in full (default 20000)")
    flag(
        "--fault",
        type=_faults,
        action="append",
        default=[],
        metavar="JSON",
        help="as POSTed to /sandbox/faults",
    )
    flag("--latency", type=_latency, metavar="SPEC", help="fixed:50, uniform:10-90 or lognormal:50,0.5 (ms)")
    flag("--rate", type=_positive, metavar="N", help="messages per second; above it HTTP 429")
    flag(
        "--token", action="append", default=[], metavar="GUID", help="accepted product tokens (default: any)"
    )
    for kind, told in (("status", "status reports"), ("inbound", "inbound messages"), ("event", "events")):
        flag(f"--{kind}-url", type=_webhook(f"{kind}_url"), metavar="URL", help=f"where {told} are sent")
    flag(
        "--transactions",
        type=_webhook("transactions"),
        metavar="SECONDS",
        help="answer GET /v1.2/transactions/; a message is visible there so long after it was taken",
    )
    flag(
        "--webhooks",
        type=_webhooks,
        default={},
        metavar="JSON",
        help="as POSTed to /sandbox/webhooks: format, mix, delay, duplicates, reordered, early, speed, ...",
    )
    flag("--with-parent", action="store_true", help="end when standard input is closed")
    given = parser.parse_args(arguments)
    return Options(
        host=os.environ.get("HOST") or "127.0.0.1",
        port=given.port,
        seed=given.seed,
        count_only=given.count_only,
        pairs=given.pairs,
        arrivals=given.arrivals,
        keep=given.keep,
        tokens=frozenset(given.token),
        faults=[fault for faults in given.fault for fault in faults],
        latency=given.latency,
        rate=given.rate,
        with_parent=given.with_parent,
        webhooks=given.webhooks
        | {
            name: value
            for name in ("status_url", "inbound_url", "event_url", "transactions")
            if (value := getattr(given, name)) is not None
        },
    )


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > _LARGEST:
        raise argparse.ArgumentTypeError(f"a whole number from 0 to {_LARGEST}")
    return int(text)


def _port(text: str) -> int:
    if _whole(text) > 65535:
        raise argparse.ArgumentTypeError("a port from 0 to 65535")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError("a number above 0")
    return value


def _faults(text: str) -> list[Fault]:
    try:
        return read_faults(text)
    except BadFault as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _webhooks(text: str) -> dict[str, Any]:
    try:
        return read_webhooks(text)
    except BadWebhooks as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _webhook(name: str) -> Callable[[str], Any]:
    """A reader of one setting's value: a number where it can be one, else a text."""

    def read(text: str) -> Any:
        try:
            value: Any = float(text)
        except ValueError:
            value = text
        return _webhooks(json.dumps({name: value}))[name]

    return read


def _latency(text: str) -> Callable[[Random], float]:
    try:
        return read_latency(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


if __name__ == "__main__":
    sys.exit(main())
