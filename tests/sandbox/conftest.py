"""One sandbox for all tests of this folder, emptied before each, and ways to talk to it."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from sandbox.gateway import Gateway
from sandbox.running import SandboxClient, running

TOKEN = "11111111-1111-1111-1111-111111111111"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Hit(NamedTuple):
    """A request that a receiver got, body and all."""

    method: str
    target: str
    content_type: str
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """What an app has listening for CM. `answers` are the statuses of the next requests; 200 after them.

    With `silent` set it reads requests and closes their connections without a word.
    """

    def __init__(self) -> None:
        self.hits: list[Hit] = []
        self.answers: list[int] = []
        self.silent = False
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status = receiver._got(
                    Hit(self.command, self.path, self.headers.get("Content-Type") or "", body)
                )
                if receiver.silent:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815 (the name that http.server looks for)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 64  # a full backlog costs the caller a second

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?key=secret"

    def _got(self, hit: Hit) -> int:
        with self._lock:
            self.hits.append(hit)
            return self.answers.pop(0) if self.answers else 200

    @property
    def reports(self) -> list[dict[str, Any]]:
        """The status reports that came, in their order."""
        return [hit.document["messages"]["msg"] for hit in self.hits]

    @property
    def codes(self) -> list[str]:
        return [report["status"]["code"] for report in self.reports]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.01,))
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[SandboxClient]:
    with running() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: SandboxClient) -> SandboxClient:
    shared_sandbox.reset()
    return shared_sandbox


@pytest.fixture
def message() -> Callable[..., dict[str, Any]]:
    """Builds one good `msg`; numbers are positional, other fields are keywords."""

    def build(*numbers: str, **fields: Any) -> dict[str, Any]:
        return {
            "from": "Acme",
            "to": [{"number": number} for number in numbers or ("0031600000001",)],
            "body": {"type": "auto", "content": "Hello"},
            "reference": "REF1",
        } | fields

    return build


@pytest.fixture
def request_bytes() -> Callable[..., bytes]:
    """Builds the bytes of a whole HTTP request of these `msg` items."""

    def build(*messages: dict[str, Any]) -> bytes:
        body = json.dumps({"messages": {"msg": messages}}).encode()
        head = (
            "POST /v1.0/message HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"X-CM-PRODUCTTOKEN: {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    return build


@pytest.fixture
def post() -> Callable[..., Reply]:
    """POSTs these `msg` items to a sandbox over a connection of its own."""

    def send(to: SandboxClient, *messages: dict[str, Any], **headers: str) -> Reply:
        connection = http.client.HTTPConnection(urlsplit(to.url).netloc, timeout=10)
        try:
            connection.request(
                "POST",
                "/v1.0/message",
                json.dumps({"messages": {"msg": messages}}),
                {"Content-Type": "application/json", "X-CM-PRODUCTTOKEN": TOKEN} | headers,
            )
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    return send


@pytest.fixture
def get() -> Callable[..., Reply]:
    """Asks a sandbox for a path, by GET unless told otherwise."""

    def ask(
        of: SandboxClient, path: str, method: str = "GET", body: str | None = None, **headers: str
    ) -> Reply:
        connection = http.client.HTTPConnection(urlsplit(of.url).netloc, timeout=10)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    return ask


@pytest.fixture
def judged(message: Callable[..., dict[str, Any]]) -> Callable[..., tuple[int, str | None]]:
    """What the gateway says of one message with this rich content: code and details of its row, or of all."""

    def judge(rich_content: Any, *channels: str, **fields: Any) -> tuple[int, str | None]:
        item = message(**{"richContent": rich_content, "allowedChannels": list(channels)} | fields)
        body = json.dumps({"messages": {"msg": [item]}}).encode()
        _, answer = Gateway().judge(TOKEN, body).answer()
        document = json.loads(answer)
        if not document["messages"]:
            return document["errorCode"], document["details"]
        (row,) = document["messages"]
        return row["messageErrorCode"], row["messageDetails"]

    return judge
