"""The gateway against real sockets: every way in which one POST can end."""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from cmqueue.errors import SettingsError
from worker.answer import Answer, NoAnswer, NoAnswerKind, Response
from worker.gateway import Gateway

TOKEN = "11111111-1111-1111-1111-111111111111"
BODY = b'{"messages":{"msg":[]}}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
PATIENCE = 10.0  # no test waits this long unless something is broken

Script = Callable[["Peer"], None]


class Peer:
    """One accepted connection, as a script of the server sees it."""

    def __init__(self, sock: socket.socket, server: Server) -> None:
        self.sock = sock
        self.server = server

    def request(self) -> bytes:
        """Read one whole request; b"" when the client has gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.sock.recv(65536)
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.splitlines()
            if line.lower().startswith(b"content-length:")
        )
        while len(body) < length:
            body += self.sock.recv(65536)
        self.server.requests.append(head + b"\r\n\r\n" + body)
        return self.server.requests[-1]

    def reset(self) -> None:
        """Close with a reset instead of a farewell."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.sock.close()


class Server:
    """A listener on loopback; each connection runs `script` in a thread. `tls` wraps what is accepted."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopped = threading.Event()
        self._script, self._tls = script, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1.0/message"

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self.stopped.is_set():
                sock.close()
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(sock,)))
            self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        with closing(sock), suppress(OSError):
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            with closing(sock):
                self._script(Peer(sock, self))

    def close(self) -> None:
        self.stopped.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listener.close()


@contextmanager
def serving(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(script, tls)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def calling(url: str, **options: object) -> Iterator[Gateway]:
    gateway = Gateway(url, **{"connect_timeout": 2.0, "read_timeout": 5.0} | options)  # type: ignore[arg-type]
    try:
        yield gateway
    finally:
        gateway.close()


def answered(script: Script, **options: object) -> tuple[Answer, Server]:
    """The answer to one POST to a server that runs `script`."""
    with serving(script) as server, calling(server.url, **options) as gateway:
        return gateway.post(BODY, TOKEN), server


def replying(reply: bytes) -> Script:
    """A server that answers each request of a connection with `reply`."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.sock.sendall(reply)

    return script


def kind(answer: Answer) -> NoAnswerKind:
    assert isinstance(answer, NoAnswer), answer
    return answer.kind


# An answer.


def test_an_answer_is_a_value() -> None:
    """
    Status, body, Retry-After and time of an answer.
    """
    answer, _ = answered(
        replying(b'HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 13\r\n\r\n{"details":1}')
    )

    assert isinstance(answer, Response)
    assert (429, 7.0, b'{"details":1}') == (answer.status, answer.retry_after, answer.body)
    assert 0 < answer.seconds < PATIENCE


def test_what_a_request_carries() -> None:
    """
    The body as it is, the token in CM's header, JSON both ways, and no more about us than a name.
    """
    _, server = answered(replying(OK))
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    assert BODY == body
    assert first == "POST /v1.0/message HTTP/1.1"
    assert headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "cmqueue",
        "accept-encoding": "identity",
        "accept": "application/json",
        "connection": "keep-alive",
        "content-type": "application/json; charset=utf-8",
        "x-cm-producttoken": TOKEN,
        "content-length": str(len(BODY)),
    }


def test_without_a_token_no_header() -> None:
    """
    Where the body holds the token, the header is absent.
    """
    with serving(replying(OK)) as server, calling(server.url) as gateway:
        gateway.post(BODY, None)

    assert b"PRODUCTTOKEN" not in server.requests[0].upper()


def test_a_chunked_answer_is_joined() -> None:
    """
    An answer in chunks is one answer.
    """
    answer, _ = answered(
        replying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")
    )

    assert isinstance(answer, Response)
    assert answer.body == b"{}"


def test_a_packed_answer_is_unpacked() -> None:
    """
    An answer that is packed although we asked for none is read.
    """
    packed = gzip.compress(b"{}")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    answer, _ = answered(replying(head + packed))

    assert isinstance(answer, Response)
    assert answer.body == b"{}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    """
    A redirect is an answer like another: the token goes to no second address.
    """
    with serving(replying(OK)) as elsewhere:
        location = b"Location: %b" % elsewhere.url.encode()
        answer, server = answered(
            replying(b"HTTP/1.1 %d Moved\r\n%b\r\nContent-Length: 0\r\n\r\n" % (status, location))
        )

    assert isinstance(answer, Response)
    assert status == answer.status
    assert (1, 0) == (len(server.requests), elsewhere.connections)


def test_a_netrc_adds_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A .netrc with a password for this very host leaves the request as it is.
    """
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\ndefault login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    _, server = answered(replying(OK))

    assert b"authorization" not in server.requests[0].lower()


def test_no_cookie_is_kept() -> None:
    """
    A cookie of the one answer does not travel with the next request.
    """
    with (
        serving(replying(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n{}")) as server,
        calling(server.url) as gateway,
    ):
        gateway.post(BODY, TOKEN)
        gateway.post(BODY, TOKEN)

    assert b"cookie" not in server.requests[1].lower()


# Connections.


def test_a_connection_is_used_again() -> None:
    """
    One connection serves one request after another.
    """
    with serving(replying(OK)) as server, calling(server.url) as gateway:
        for _ in range(3):
            assert isinstance(gateway.post(BODY, TOKEN), Response)

    assert (1, 3) == (server.connections, len(server.requests))


def test_a_connection_that_idled_is_not_used_again() -> None:
    """
    After `idle_seconds` a fresh connection is opened.
    """
    with serving(replying(OK)) as server, calling(server.url, idle_seconds=0.0) as gateway:
        for _ in range(2):
            assert isinstance(gateway.post(BODY, TOKEN), Response)

    assert (2, 2) == (server.connections, len(server.requests))


def test_each_thread_has_its_connection() -> None:
    """
    Threads that post at once do not share a connection.
    """
    together = threading.Barrier(2)
    found: list[Answer] = []

    def script(peer: Peer) -> None:
        peer.request()
        together.wait(PATIENCE)
        peer.sock.sendall(OK)

    with serving(script) as server, calling(server.url) as gateway:

        def work() -> None:
            found.append(gateway.post(BODY, TOKEN))
            gateway.close()

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)

    assert [200, 200] == [answer.status for answer in found if isinstance(answer, Response)]


def test_an_answer_that_closes_costs_nothing() -> None:
    """
    After `Connection: close` the next request has a connection of its own.
    """

    def script(peer: Peer) -> None:
        peer.request()
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")

    with serving(script) as server, calling(server.url) as gateway:
        for _ in range(2):
            assert isinstance(gateway.post(BODY, TOKEN), Response)

    assert len(server.requests) == 2


# Certainly not sent.


def test_refused() -> None:
    """
    Nobody listens: not connected.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with calling(f"http://127.0.0.1:{port}/") as gateway:
        answer = gateway.post(BODY, TOKEN)

    assert isinstance(answer, NoAnswer)
    assert (NoAnswerKind.NOT_CONNECTED, "ConnectionRefusedError") == (answer.kind, answer.detail)


def test_no_such_host() -> None:
    """
    A name that does not exist: not connected.
    """
    with calling("https://gateway.invalid/v1.0/message") as gateway:
        answer = gateway.post(BODY, TOKEN)

    assert isinstance(answer, NoAnswer)
    assert (NoAnswerKind.NOT_CONNECTED, "gaierror") == (answer.kind, answer.detail)


def test_connect_timeout() -> None:
    """
    A host that does not take the connection in time: not connected.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:  # more than the backlog holds: further ones get no answer to their SYN
            sock.setblocking(False)
            sock.connect_ex(address)
        with calling(f"http://127.0.0.1:{address[1]}/", connect_timeout=0.2) as gateway:
            answer = gateway.post(BODY, TOKEN)
        for sock in waiting:
            sock.close()

    assert NoAnswerKind.NOT_CONNECTED == kind(answer)
    assert 0.15 < answer.seconds < 2


def test_a_server_without_tls() -> None:
    """
    Plain HTTP where TLS is due: not connected, and not a word of the request is said.
    """
    heard: list[bytes] = []

    def script(peer: Peer) -> None:
        heard.append(peer.sock.recv(65536))
        peer.sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(script) as server, calling(server.url.replace("http:", "https:")) as gateway:
        answer = gateway.post(BODY, TOKEN)

    assert NoAnswerKind.NOT_CONNECTED == kind(answer)
    assert TOKEN.encode() not in heard[0]


def test_a_silent_tls_handshake() -> None:
    """
    A handshake that goes nowhere ends with the connect timeout: not connected.
    """

    def script(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.server.stopped.wait(PATIENCE)

    with (
        serving(script) as server,
        calling(server.url.replace("http:", "https:"), connect_timeout=0.2) as gateway,
    ):
        answer = gateway.post(BODY, TOKEN)

    assert NoAnswerKind.NOT_CONNECTED == kind(answer)


def test_a_connection_that_stood_too_late() -> None:
    """
    Past `start_by` nothing is written any more.
    """
    with serving(replying(OK)) as server, calling(server.url) as gateway:
        answer = gateway.post(BODY, TOKEN, start_by=time.monotonic() - 0.001)

    assert NoAnswerKind.NOT_CONNECTED == kind(answer)
    assert [] == server.requests


# Perhaps sent.


def test_a_read_timeout() -> None:
    """
    No answer in time: perhaps taken.
    """

    def script(peer: Peer) -> None:
        peer.request()
        peer.server.stopped.wait(PATIENCE)

    answer, _ = answered(script, read_timeout=0.2)

    assert NoAnswerKind.READ_TIMEOUT == kind(answer)
    assert 0.2 <= answer.seconds < 1


def dripping(start: bytes, drops: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.request()
        peer.sock.sendall(start)
        for drop in drops:
            if peer.server.stopped.wait(0.1):
                return
            peer.sock.sendall(bytes([drop]))

    return script


@pytest.mark.parametrize(
    "script",
    [
        dripping(b"", OK),
        dripping(b"HTTP/1.1 200 OK\r\n", b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"{" * 99),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n" * 20),
        dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"{" * 99),
    ],
    ids=["status line", "headers", "body", "chunks", "body without length"],
)
def test_a_server_that_drips(script: Script) -> None:
    """
    The read timeout bounds the whole answer, wherever the server dawdles.
    """
    answer, _ = answered(script, read_timeout=0.5)

    assert NoAnswerKind.READ_TIMEOUT == kind(answer)
    assert 0.5 <= answer.seconds < 0.9


def test_a_server_that_does_not_listen() -> None:
    """
    A request that can't be written in time ends with the read timeout, and may have been read in part.
    """

    def script(peer: Peer) -> None:
        peer.server.stopped.wait(PATIENCE)

    with serving(script) as server, calling(server.url, read_timeout=0.3) as gateway:
        answer = gateway.post(b"x" * (32 << 20), TOKEN)

    assert NoAnswerKind.READ_TIMEOUT == kind(answer)
    assert 0.3 <= answer.seconds < 1


def test_a_server_that_listens_by_drops() -> None:
    """
    A server that reads a little now and then does not move the deadline.
    """

    def script(peer: Peer) -> None:
        while not peer.server.stopped.wait(0.05) and peer.sock.recv(65536):
            pass

    with serving(script) as server, calling(server.url, read_timeout=0.4) as gateway:
        answer = gateway.post(b"x" * (32 << 20), TOKEN)

    assert NoAnswerKind.READ_TIMEOUT == kind(answer)
    assert 0.4 <= answer.seconds < 1


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
    ],
    ids=["nothing", "status line", "half a body", "half a chunk"],
)
def test_a_lost_connection_is_never_tried_again(start: bytes, reset: bool) -> None:
    """
    The server reads, and goes: perhaps taken. No library underneath repeats the request.
    """

    def script(peer: Peer) -> None:
        peer.request()
        peer.sock.sendall(start)
        if reset:
            peer.reset()

    answer, server = answered(script)

    assert NoAnswerKind.CONNECTION_LOST == kind(answer)
    assert (1, 1) == (len(server.requests), server.connections)


def test_a_connection_lost_between_two_requests() -> None:
    """
    A kept connection that the server resets on the next request is doubt, too, and not repeated.
    """

    def script(peer: Peer) -> None:
        peer.request()
        peer.sock.sendall(OK)
        peer.request()
        peer.reset()

    with serving(script) as server, calling(server.url) as gateway:
        first, second = gateway.post(BODY, TOKEN), gateway.post(BODY, TOKEN)

    assert isinstance(first, Response)
    assert NoAnswerKind.CONNECTION_LOST == kind(second)
    assert (2, 1) == (len(server.requests), server.connections)


@pytest.mark.parametrize("status", [408, 413, 429, 500, 502, 503, 504])
def test_no_status_is_tried_again(status: int) -> None:
    """
    Nothing below us retries by status, Retry-After or not.
    """
    reply = b"HTTP/1.1 %d No\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n" % status
    answer, server = answered(replying(reply))

    assert isinstance(answer, Response)
    assert (status, 1) == (answer.status, len(server.requests))


def test_an_answer_that_is_no_http() -> None:
    """
    Bytes that are no HTTP: perhaps taken.
    """

    def script(peer: Peer) -> None:
        peer.request()
        peer.sock.sendall(b"220 mail.example ESMTP\r\n\r\n")

    assert NoAnswerKind.CONNECTION_LOST == kind(answered(script)[0])


def test_an_answer_that_is_too_large() -> None:
    """
    Past the cap reading ends; the connection is not used again.
    """
    with (
        serving(replying(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)) as server,
        calling(server.url, answer_cap=4999) as gateway,
    ):
        answers = [gateway.post(BODY, TOKEN) for _ in range(2)]

    assert [NoAnswerKind.TOO_LARGE] * 2 == [kind(answer) for answer in answers]
    assert server.connections == 2


def test_an_answer_of_exactly_the_cap() -> None:
    """
    The cap itself is still allowed.
    """
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000

    assert isinstance(answered(replying(reply), answer_cap=5000)[0], Response)


def test_a_bomb_does_not_go_off() -> None:
    """
    A small answer that unpacks into a giant is cut off at the cap.
    """
    packed = gzip.compress(b"\0" * (64 << 20), 9)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)

    assert NoAnswerKind.TOO_LARGE == kind(answered(replying(head + packed), answer_cap=1 << 20)[0])


def test_an_answer_that_can_not_be_unpacked() -> None:
    """
    A broken encoding leaves no answer to read.
    """
    reply = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip"

    assert NoAnswerKind.GARBLED == kind(answered(replying(reply))[0])


def test_nothing_of_the_request_shows() -> None:
    """
    The repr of no answer tells no token and no text.
    """

    def script(peer: Peer) -> None:
        peer.request()

    assert TOKEN not in repr(answered(script)[0])


# TLS.


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that nobody signed, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    crt, key = str(folder / "crt.pem"), str(folder / "key.pem")
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1".split()
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", crt]
    subprocess.run([openssl, *made, *names], check=True, capture_output=True, timeout=PATIENCE)
    return crt, key


def server_tls(certificate: tuple[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_a_trusted_certificate(certificate: tuple[str, str]) -> None:
    """
    Over TLS, with a bundle that holds the certificate, all is as without.
    """
    with (
        serving(replying(OK), server_tls(certificate)) as server,
        calling(server.url, ca_bundle=certificate[0]) as gateway,
    ):
        answers = [gateway.post(b"x" * 300_000, TOKEN) for _ in range(2)]

    assert [b"{}", b"{}"] == [answer.body for answer in answers if isinstance(answer, Response)]
    assert server.connections == 1


def test_an_untrusted_certificate(certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A certificate nobody vouches for: not connected, and no request is sent.
    """
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with serving(replying(OK), server_tls(certificate)) as server, calling(server.url) as gateway:
        answer = gateway.post(BODY, TOKEN)

    assert isinstance(answer, NoAnswer)
    assert (NoAnswerKind.NOT_CONNECTED, "SSLCertVerificationError") == (answer.kind, answer.detail)
    assert [] == server.requests


def test_a_certificate_of_another_name(certificate: tuple[str, str]) -> None:
    """
    A trusted certificate for another host: not connected.
    """
    with (
        serving(replying(OK), server_tls(certificate)) as server,
        calling(f"https://localhost:{server.port}/", ca_bundle=certificate[0]) as gateway,
    ):
        answer = gateway.post(BODY, TOKEN)

    assert NoAnswerKind.NOT_CONNECTED == kind(answer)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_bundle_named_by_the_environment(
    certificate: tuple[str, str], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A network that inspects TLS names its certificates in the usual variables.
    """
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv(variable, certificate[0])
    with serving(replying(OK), server_tls(certificate)) as server, calling(server.url) as gateway:
        assert isinstance(gateway.post(BODY, TOKEN), Response)


def test_a_bundle_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A missing bundle is refused at the start, by the name of its variable.
    """
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")

    with pytest.raises(SettingsError, match="REQUESTS_CA_BUNDLE"):
        Gateway("global")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_old_tls_is_refused(certificate: tuple[str, str]) -> None:
    """
    A server that speaks TLS 1.1 at most: not connected.
    """
    old = server_tls(certificate)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with serving(replying(OK), old) as server, calling(server.url, ca_bundle=certificate[0]) as gateway:
        answer = gateway.post(BODY, TOKEN)

    assert NoAnswerKind.NOT_CONNECTED == kind(answer)


@pytest.mark.parametrize("drops", [b"{" * 99])
def test_a_server_that_drips_over_tls(certificate: tuple[str, str], drops: bytes) -> None:
    """
    The deadline holds over TLS as well.
    """
    script = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", drops)
    with (
        serving(script, server_tls(certificate)) as server,
        calling(server.url, ca_bundle=certificate[0], read_timeout=0.5) as gateway,
    ):
        answer = gateway.post(BODY, TOKEN)

    assert NoAnswerKind.READ_TIMEOUT == kind(answer)
    assert 0.5 <= answer.seconds < 0.9


def test_a_server_that_listens_by_drops_over_tls(certificate: tuple[str, str]) -> None:
    """
    Over TLS each record is written on its own; the deadline holds for all of them together.
    """

    def script(peer: Peer) -> None:
        while not peer.server.stopped.wait(0.05) and peer.sock.recv(65536):
            pass

    with (
        serving(script, server_tls(certificate)) as server,
        calling(server.url, ca_bundle=certificate[0], read_timeout=0.4) as gateway,
    ):
        answer = gateway.post(b"x" * (32 << 20), TOKEN)

    assert NoAnswerKind.READ_TIMEOUT == kind(answer)
    assert 0.4 <= answer.seconds < 1


def test_a_tls_connection_cut_after_the_request(certificate: tuple[str, str]) -> None:
    """
    An error of TLS after the request is doubt, not a failed handshake.
    """

    def script(peer: Peer) -> None:
        peer.request()
        raw = socket.socket(fileno=peer.sock.detach())
        raw.sendall(b"this is no record of TLS")
        raw.close()

    with (
        serving(script, server_tls(certificate)) as server,
        calling(server.url, ca_bundle=certificate[0]) as gateway,
    ):
        answer = gateway.post(BODY, TOKEN)

    assert isinstance(answer, NoAnswer)
    assert (NoAnswerKind.CONNECTION_LOST, "SSLError") == (answer.kind, answer.detail)


# Proxies.


def proxied(
    script: Script, monkeypatch: pytest.MonkeyPatch, url: str, **options: object
) -> tuple[Answer, Server]:
    with serving(script) as proxy:
        for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        with calling(url, **options) as gateway:
            return gateway.post(BODY, TOKEN), proxy


def heard(peer: Peer) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += peer.sock.recv(65536)
    peer.server.requests.append(data)
    return data


def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A tunnel that does not open: not connected; the proxy has not seen the token.
    """

    def script(peer: Peer) -> None:
        heard(peer)
        peer.sock.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")

    answer, proxy = proxied(script, monkeypatch, "https://gateway.invalid/v1.0/message")

    assert NoAnswerKind.NOT_CONNECTED == kind(answer)
    assert proxy.requests[0].startswith(b"CONNECT gateway.invalid:443 ")
    assert TOKEN.encode() not in proxy.requests[0]


def test_a_proxy_that_keeps_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A proxy without an answer ends with the connect timeout: not connected.
    """

    def script(peer: Peer) -> None:
        heard(peer)
        peer.server.stopped.wait(PATIENCE)

    url = "https://gateway.invalid/v1.0/message"
    answer, _ = proxied(script, monkeypatch, url, connect_timeout=0.2)

    assert NoAnswerKind.NOT_CONNECTED == kind(answer)


def test_through_a_proxy(certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Inside the tunnel all is as without a proxy, the deadline too.
    """
    tls = server_tls(certificate)

    def script(peer: Peer) -> None:
        heard(peer)
        peer.sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        with closing(tls.wrap_socket(peer.sock, server_side=True)) as inner:
            dripping(OK[:20], OK[20:21] + b"x" * 99)(Peer(inner, peer.server))

    url = "https://gateway.invalid/v1.0/message"
    monkeypatch.setattr(ssl, "match_hostname", lambda *_: None, raising=False)
    answer, proxy = proxied(script, monkeypatch, url, ca_bundle=certificate[0])

    # The certificate is for another name: the tunnel stood, the handshake inside it did not.
    assert NoAnswerKind.NOT_CONNECTED == kind(answer)
    assert len(proxy.requests) == 1


def test_no_proxy_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What listens on loopback is reached without the proxy.
    """
    with serving(replying(OK)) as server:
        answer, proxy = proxied(replying(OK), monkeypatch, server.url)

    assert isinstance(answer, Response)
    assert proxy.connections == 0


def test_a_host_that_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    NO_PROXY is honoured.
    """
    with serving(replying(OK)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "gateway.invalid")
        with calling("https://gateway.invalid/") as gateway:
            answer = gateway.post(BODY, TOKEN)

    assert isinstance(answer, NoAnswer)
    assert answer.detail == "gaierror"
    assert proxy.connections == 0


# With the sandbox.


def test_the_sandbox_answers() -> None:
    """
    The local stand-in for CM and the gateway understand each other.
    """
    running = pytest.importorskip("sandbox.running").running
    msg = {
        "from": "Acme",
        "to": [{"number": "0031600000001"}],
        "body": {"type": "auto", "content": "Hi"},
        "reference": "A0BBBBCCCCCCCCCC",
    }
    with running() as sandbox, calling(sandbox.endpoint) as gateway:
        answer = gateway.post(json.dumps({"messages": {"msg": [msg]}}).encode(), TOKEN)

    assert isinstance(answer, Response)
    assert json.loads(answer.body)["messages"][0]["status"] == "Accepted"
