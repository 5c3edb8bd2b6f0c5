"""What the tests of the command share beside fixtures."""

from __future__ import annotations

import json
import socket
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmqueue.partition import Endpoint
from cmqueue.settlement import Settlement
from cmqueue.state import Reason, State

COMMAND = Path(sysconfig.get_path("scripts")) / "cmqueue"
DEAD = Settlement(State.DEAD, Reason.ATTEMPTS_EXHAUSTED, code=304)
DOUBTED = Settlement(State.AMBIGUOUS, Reason.READ_TIMEOUT)
ANSWERED = Endpoint("answered")


@dataclass(frozen=True, slots=True)
class Ran:
    """How the command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]
End = Callable[..., None]


def message(last: int = 1, **options: Any) -> dict[str, Any]:
    """A message to the number that ends in `last`."""
    return {"sender": "Acme", "to": f"+316000000{last:02}", "text": "hallo", **options}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
