"""An endpoint of an app's, on loopback, and what it takes to have events posted to it."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from cmqueue import Outbox

SECRET = "whsec_" + base64.b64encode(b"first secret of the endpoint").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"other secret of the endpoint").decode()
TOKEN = "11111111-1111-1111-1111-111111111111"


class AppEndpoint:
    """An HTTP server that verifies what it gets, keeps it, and answers as `answer` says of each."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []  #: id and payload of each, also of those refused
        self.taken: list[str] = []  #: ids of those answered 2xx
        self.answer: Callable[[str, dict[str, Any]], int] = lambda _id, _told: 204
        self.headers: dict[str, str] = {}  #: of the answers
        self.most = 0  #: requests at once
        self._now = 0
        self._lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                given = {name.lower(): value for name, value in self.headers.items()}
                with endpoint.busy():
                    status = endpoint.take(body, given)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                for name, value in endpoint.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def busy(self) -> _Busy:
        return _Busy(self)

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        told = Webhook(SECRET).verify(body, headers)
        id = headers["webhook-id"]
        with self._lock:
            self.got.append((id, told))
        status = self.answer(id, told)
        if 200 <= status < 300:
            with self._lock:
                self.taken.append(id)
        return status

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook?key=marked-query-7c1e"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Busy:
    def __init__(self, endpoint: AppEndpoint) -> None:
        self.endpoint = endpoint

    def __enter__(self) -> None:
        with self.endpoint._lock:
            self.endpoint._now += 1
            self.endpoint.most = max(self.endpoint.most, self.endpoint._now)

    def __exit__(self, *_: object) -> None:
        with self.endpoint._lock:
            self.endpoint._now -= 1


def callbacks(**endpoints: AppEndpoint) -> dict[str, str]:
    """The settings for callbacks of all messages' events to these endpoints."""
    described = {
        name: {"url": endpoint.url, "secret": [OTHER_SECRET, SECRET], "events": ["message.*"]}
        for name, endpoint in endpoints.items()
    }
    return {"CMQUEUE_CALLBACKS": json.dumps(described), "CMQUEUE_CALLBACK_PRIVATE": "127.0.0.0/8"}


def cancelled(outbox: Outbox, count: int = 1, **options: Any) -> list[str]:
    """Ids of so many messages that are told of as cancelled."""
    message = {"sender": "Acme", "to": "+31600000001", "text": "hi"}
    later = datetime.now(UTC) + timedelta(hours=1)  # so that no worker takes them first
    ids = [outbox.enqueue(message, send_at=later, **options).id for _ in range(count)]
    assert all(outbox.cancel(id) == "cancelled" for id in ids)
    return ids


def run_until(errand: Any, condition: Callable[[], object], seconds: float = 20) -> None:
    """Run an errand again and again until `condition` holds."""
    end, stopping = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        if errand.waiting():
            errand.run(stopping)
        else:
            stopping.wait(0.02)
