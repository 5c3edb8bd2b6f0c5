"""What the tests of the command share beside fixtures."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from harness import Ran

from cmqueue.gate import Endpoint
from cmqueue.settlement import Settlement
from cmqueue.state import Reason, State
from demo.valkey import RunningServer

DEAD = Settlement(State.DEAD, Reason.ATTEMPTS_EXHAUSTED, code=304)
DOUBTED = Settlement(State.AMBIGUOUS, Reason.READ_TIMEOUT)
ANSWERED = Endpoint("answered")

Run = Callable[..., Ran]
End = Callable[..., None]


def message(last: int = 1, **options: Any) -> dict[str, Any]:
    """A message to the number that ends in `last`."""
    return {"sender": "Acme", "to": f"+316000000{last:02}", "text": "hallo", **options}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def here(server: RunningServer) -> dict[str, str]:
    """Settings that lead nowhere but to `server`: `doctor` only connects to the endpoint."""
    return {"CMQUEUE_REDIS_URL": server.url, "CMQUEUE_ENDPOINT": f"http://127.0.0.1:{server.port}/"}
