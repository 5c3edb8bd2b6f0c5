"""A sandbox in a process of its own, for tests and the demo.

with running(latency="fixed:50") as sandbox:
    ... POST to sandbox.endpoint ...
    assert 3 == sandbox.counts()["messages"]
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

_CHECKOUT = Path(__file__).resolve().parent.parent
_START_SECONDS = 15
_STOP_SECONDS = 5
_ANSWER_SECONDS = 30
_POLL_SECONDS = 0.01


class SandboxClient:
    """What a test asks a sandbox. Raises RuntimeError with the sandbox's own words when it refuses."""

    def __init__(self, url: str, pid: int = 0) -> None:
        self.url = url
        self.endpoint = f"{url}/v1.0/message"
        self.transactions = f"{url}/v1.2/transactions/"
        self.pid = pid
        self._opener = build_opener(ProxyHandler({}))  # a proxy of the environment is not for loopback

    def faults(self, *orders: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Order faults (see `sandbox.faults`); without arguments only list those in force."""
        if not orders:
            return cast("list[dict[str, Any]]", self._json("GET", "/sandbox/faults"))
        body = json.dumps(orders).encode()
        return cast("list[dict[str, Any]]", self._json("POST", "/sandbox/faults", body))

    def clear(self) -> None:
        """End all faults."""
        self._call("DELETE", "/sandbox/faults")

    def reset(self) -> None:
        """Forget counts, messages, faults and what was still to be told; webhooks are as at the start."""
        self._call("POST", "/sandbox/reset")

    def counts(self) -> dict[str, Any]:
        """requests, refused, faulted, messages, rejected, unique, duplicates, largest, fill."""
        return cast("dict[str, Any]", self._json("GET", "/sandbox/counts"))

    def pairs(self) -> dict[tuple[str, str], int]:
        """How often each (reference, number) was taken; the reference is "" where none was sent."""
        lines = self._call("GET", "/sandbox/pairs").decode().splitlines()
        return {
            (reference, number): int(times)
            for reference, number, times in (line.split("\t") for line in lines)
        }

    def arrivals(self) -> dict[tuple[str, str], float]:
        """When each (reference, number) first came, seconds since 1970; needs `arrivals=True`."""
        lines = self._call("GET", "/sandbox/arrivals").decode().splitlines()
        return {
            (reference, number): float(at) for reference, number, at in (line.split("\t") for line in lines)
        }

    def duplicates(self) -> list[dict[str, Any]]:
        """reference, number, times of what was taken more than once."""
        return cast("list[dict[str, Any]]", self._json("GET", "/sandbox/duplicates"))

    def messages(self, **query: str | int) -> list[dict[str, Any]]:
        """Messages in full, the oldest first. `query`: reference, number, limit, after."""
        found = self._json("GET", f"/sandbox/messages?{urlencode(query)}")
        return cast("list[dict[str, Any]]", found)

    def inbound(self, **order: Any) -> dict[str, Any]:
        """Have a phone write back (see `sandbox.phone`; `from_` is `from`); the document that is sent."""
        return self._ordered("/sandbox/inbound", order)

    def event(self, **order: Any) -> dict[str, Any]:
        """The same for something done with a message."""
        return self._ordered("/sandbox/event", order)

    def _ordered(self, path: str, order: Mapping[str, Any]) -> dict[str, Any]:
        body = json.dumps({name.rstrip("_"): value for name, value in order.items()}).encode()
        return cast("dict[str, Any]", self._json("POST", path, body))

    def webhooks(self, **changes: Any) -> dict[str, Any]:
        """The settings of `sandbox.webhooks`, after these changes."""
        if not changes:
            return cast("dict[str, Any]", self._json("GET", "/sandbox/webhooks"))
        return cast("dict[str, Any]", self._json("POST", "/sandbox/webhooks", json.dumps(changes).encode()))

    def courier(self, kind: str = "status") -> dict[str, int]:
        """waiting, sent, acknowledged, retried, given_up, overflowed of status, inbound or event."""
        return cast("dict[str, int]", self._json("GET", "/sandbox/courier")[kind])

    def wait_until_told(self, timeout: float = 30.0, kind: str = "status") -> dict[str, int]:
        """The counts, once nothing of this kind waits any more; raises TimeoutError after `timeout`."""
        end = time.monotonic() + timeout
        while (counts := self.courier(kind))["waiting"]:
            if time.monotonic() > end:
                raise TimeoutError(f"not all was told: {counts}")
            time.sleep(_POLL_SECONDS)
        return counts

    def _json(self, method: str, path: str, body: bytes | None = None) -> Any:
        return json.loads(self._call(method, path, body))

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = Request(  # noqa: S310 (our own loopback address)
            self.url + path, data=body, method=method, headers={"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=_ANSWER_SECONDS) as answer:
                content: bytes = answer.read()
        except HTTPError as refusal:
            with refusal:
                raise RuntimeError(f"{method} {path}: {refusal.read().decode()}") from None
        return content


@contextmanager
def running(**flags: object) -> Iterator[SandboxClient]:
    """Start `python -m sandbox` on a free port, and end it afterwards, or when this process dies.

    Each keyword is a flag with `_` for `-`: True stands alone, False and None leave it out, a list
    repeats it, a dict is passed as JSON: `running(count_only=True, fault=[{"kind": "hang"}])`.
    Raises RuntimeError when it does not start; what it printed is on standard error.
    """
    command = [sys.executable, "-m", "sandbox", "--with-parent", *_arguments({"port": 0} | flags)]
    environment = {
        name: value for name, value in os.environ.items() if name not in ("HOST", "PORT", "SANDBOX_FLAGS")
    }
    with subprocess.Popen(  # noqa: S603 (our own program)
        command, cwd=_CHECKOUT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield SandboxClient(_address(process), process.pid)
        finally:
            _end(process)


def _arguments(flags: Mapping[str, object]) -> list[str]:
    arguments = []
    for name, given in flags.items():
        for value in given if isinstance(given, list | tuple) else [given]:
            if value is None or value is False:
                continue
            flag = f"--{name.replace('_', '-')}"
            text = json.dumps(value) if isinstance(value, dict) else str(value)
            arguments.append(flag if value is True else f"{flag}={text}")
    return arguments


def _address(process: subprocess.Popen[bytes]) -> str:
    """The last word of the line that the sandbox prints when it is ready."""
    assert process.stdout is not None  # noqa: S101 (narrows the type, cannot fail)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if selector.select(_START_SECONDS) else b""
    if not line:
        raise RuntimeError("the sandbox did not start")
    return line.split()[-1].decode()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
