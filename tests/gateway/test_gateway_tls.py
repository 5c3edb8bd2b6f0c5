"""The gateway over TLS and through proxies."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from contextlib import closing

import pytest
from scripted_server import (
    BODY,
    OK,
    PATIENCE,
    TOKEN,
    Peer,
    Script,
    Server,
    calling,
    dripping,
    kind,
    replying,
    serving,
)

from cmqueue.errors import SettingsError
from worker.answer import Answer, NoAnswer, NoAnswerKind, Response
from worker.gateway import Gateway


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for 127.0.0.1 and gateway.invalid that nobody signed, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    crt, key = str(folder / "crt.pem"), str(folder / "key.pem")
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    named = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1,DNS:gateway.invalid"]
    files = ["-days", "2", "-keyout", key, "-out", crt]
    subprocess.run([openssl, *made, *named, *files], check=True, capture_output=True, timeout=PATIENCE)
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


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
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


def test_a_server_that_drips_over_tls(certificate: tuple[str, str]) -> None:
    """
    The deadline holds over TLS as well.
    """
    script = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"{" * 99)
    with (
        serving(script, server_tls(certificate)) as server,
        calling(server.url, ca_bundle=certificate[0], read_timeout=0.5) as gateway,
    ):
        answer = gateway.post(BODY, TOKEN)

    assert NoAnswerKind.READ_TIMEOUT == kind(answer)
    assert 0.5 <= answer.seconds < 2.5


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
    assert 0.4 <= answer.seconds < 5


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


def tunnelling(tls: ssl.SSLContext, inside: Script) -> Script:
    """A proxy that opens the tunnel, and plays the host at its end."""

    def script(peer: Peer) -> None:
        heard(peer)
        peer.sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        with closing(tls.wrap_socket(peer.sock, server_side=True)) as inner:
            inside(Peer(inner, peer.server))

    return script


def test_through_a_proxy(certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The request goes through the tunnel; only the host at its end sees the token.
    """
    script = tunnelling(server_tls(certificate), replying(OK))
    answer, proxy = proxied(script, monkeypatch, "https://gateway.invalid/", ca_bundle=certificate[0])

    assert isinstance(answer, Response)
    assert [False, True] == [TOKEN.encode() in request for request in proxy.requests]


def test_silence_through_a_proxy(certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Inside the tunnel the deadline holds, and what was written was perhaps taken.
    """
    script = tunnelling(server_tls(certificate), dripping(b"", OK))
    options = {"ca_bundle": certificate[0], "read_timeout": 0.3}
    answer, _ = proxied(script, monkeypatch, "https://gateway.invalid/", **options)

    assert NoAnswerKind.READ_TIMEOUT == kind(answer)


def test_a_stranger_behind_a_proxy(certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A tunnel that ends at a host of another name: not connected.
    """
    script = tunnelling(server_tls(certificate), replying(OK))
    answer, proxy = proxied(script, monkeypatch, "https://other.invalid/", ca_bundle=certificate[0])

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
