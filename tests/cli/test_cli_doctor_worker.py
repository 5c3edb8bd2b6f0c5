"""The worker's half of `cmqueue doctor`."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from command import free_port, message

from cmqueue import Outbox
from cmqueue.checkup import Check, Level
from demo.valkey import RunningServer
from worker.doctor import checks

TOKEN = "11111111-1111-1111-1111-111111111111"
Look = Callable[..., dict[str, Check]]


@pytest.fixture
def look(outbox: Outbox, valkey: RunningServer) -> Look:
    """A function that checks a worker's environment; the worst check by name."""

    def call(**settings: str) -> dict[str, Check]:
        env = {
            "CMQUEUE_REDIS_URL": valkey.url,
            "CMQUEUE_PRODUCT_TOKEN": TOKEN,
            "CMQUEUE_ENDPOINT": f"http://127.0.0.1:{valkey.port}/",
        } | settings
        found: dict[str, Check] = {}
        for check in checks(env):
            if check.name not in found or found[check.name].level is Level.OK:
                found[check.name] = check
        return found

    return call


@contextmanager
def listening(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port on which one connection is served in a thread."""

    def accept() -> None:
        with suppress(OSError), listener.accept()[0] as connection:
            connection.settimeout(10)
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that lasts two days, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "crt.pem", folder / "key.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
         "-keyout", made[1], "-out", made[0]],
        check=True, capture_output=True, timeout=20,
    )  # fmt: skip
    return made


def handshake(certificate: tuple[Path, Path]) -> Callable[[socket.socket], object]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    return serve


def test_all_is_well(look: Look) -> None:
    """
    With a token and an endpoint on this machine every check is ok.
    """
    assert {"settings", "token", "leases", "endpoint", "tls"} == look().keys()
    assert {Level.OK} == {check.level for check in look().values()}


def test_no_token(look: Look) -> None:
    """
    Without a token a worker delivers nothing: that fails, and names the variable.
    """
    found = look(CMQUEUE_PRODUCT_TOKEN="")["token"]

    assert (Level.FAIL, "CMQUEUE_PRODUCT_TOKEN") == (found.level, found.where)


def test_tokens_are_not_shown(look: Look) -> None:
    """
    Accounts are told of by their alias, never by their token.
    """
    other = "22222222-2222-2222-2222-222222222222"
    found = look(CMQUEUE_ACCOUNTS=f'{{"shop": "{other}"}}')

    assert "a GUID for default, shop" == found["token"].found
    assert not any(token in str(found) for token in (TOKEN, other))


@pytest.mark.parametrize(
    ("variable", "value"),
    {
        "CMQUEUE_PRODUCT_TOKEN": "opensesame",
        "CMQUEUE_ACCOUNTS": '{"shop": "opensesame"}',
        "CMQUEUE_BATCH_SIZE": "1001",
        "CMQUEUE_LEASE_SECONDS": "37",
        "CMQUEUE_RETRY_SCHEDULE": "soon",
    }.items(),
)
def test_a_wrong_setting(look: Look, variable: str, value: str) -> None:
    """
    A wrong setting fails, also where only two together are wrong, and its value is not shown.
    """
    found = look(**{variable: value})

    assert (Level.FAIL, variable) == (found["settings"].level, found["settings"].where)
    assert "opensesame" not in str(found)


def test_a_misspelt_setting(look: Look) -> None:
    """
    A variable with our prefix that is no setting is warned of.
    """
    found = look(CMQUEUE_BATSH_SIZE="10")["settings"]

    assert (Level.WARN, "CMQUEUE_BATSH_SIZE") == (found.level, found.where)


def test_an_account_without_a_token(look: Look, outbox: Outbox) -> None:
    """
    Messages of an account that this worker has no token for are warned of.
    """
    outbox.enqueue(message(), account="shop")
    found = look()["token"]

    assert (Level.WARN, "account shop") == (found.level, found.where)


def test_the_allow_list(look: Look) -> None:
    """
    An allow-list is warned of, without the numbers in it.
    """
    found = look(CMQUEUE_ONLY_TO="+31600000001,+447700900")

    assert Level.WARN is found["allow-list"].level
    assert "600000001" not in str(found)


def test_a_token_in_the_body(look: Look) -> None:
    """
    The deprecated way to show the token is warned of.
    """
    assert Level.WARN is look(CMQUEUE_BODY_TOKEN="1")["body token"].level


def test_an_endpoint_that_refuses(look: Look) -> None:
    """
    An endpoint that takes no connections fails, and says why.
    """
    found = look(CMQUEUE_ENDPOINT=f"http://127.0.0.1:{free_port()}/")["endpoint"]

    assert (Level.FAIL, "can't be reached (Connection refused)") == (found.level, found.found)


def test_an_endpoint_that_is_not_allowed(look: Look) -> None:
    """
    Plain http beyond this machine fails by its variable.
    """
    found = look(CMQUEUE_ENDPOINT="http://192.0.2.1/")["endpoint"]

    assert (Level.FAIL, "CMQUEUE_ENDPOINT") == (found.level, found.where)


def test_a_certificate_that_ends_soon(
    look: Look, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Over TLS the version and the days left of the certificate are told; fewer than 14 are warned of.
    """
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with listening(handshake(certificate)) as port:
        found = look(CMQUEUE_ENDPOINT=f"https://127.0.0.1:{port}/")["tls"]

    assert (Level.WARN, "TLS 1.3, the certificate lasts 1 more days") == (found.level, found.found)


def test_a_certificate_that_nobody_signed(look: Look, certificate: tuple[Path, Path]) -> None:
    """
    A certificate that is not trusted fails.
    """
    with listening(handshake(certificate)) as port:
        found = look(CMQUEUE_ENDPOINT=f"https://127.0.0.1:{port}/")["tls"]

    assert Level.FAIL is found.level
    assert found.found.startswith("the certificate is not trusted: ")


def test_an_endpoint_that_speaks_no_tls(look: Look) -> None:
    """
    A listener that answers in anything but TLS fails.
    """
    with listening(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        found = look(CMQUEUE_ENDPOINT=f"https://127.0.0.1:{port}/")

    assert Level.FAIL in {found["endpoint"].level, found["tls"].level}


def test_an_endpoint_that_says_nothing(look: Look) -> None:
    """
    A listener that never answers is waited for as long as a worker would, and no longer.
    """
    released = threading.Event()
    with listening(lambda _connection: released.wait(10)) as port:
        found = look(CMQUEUE_ENDPOINT=f"https://127.0.0.1:{port}/", CMQUEUE_CONNECT_TIMEOUT="0.3")["endpoint"]
        released.set()

    assert (Level.FAIL, True) == (found.level, "timed out" in found.found or "TimeoutError" in found.found)


def test_a_proxy_on_the_way(look: Look, valkey: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where a proxy leads to CM, it is the proxy that is tried: TLS with CM can't be seen from outside.
    """
    for name in ("https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{valkey.port}")
    found = look(CMQUEUE_ENDPOINT="https://cm.invalid/")

    assert found["endpoint"].found.startswith(f"the proxy 127.0.0.1:{valkey.port}")
    assert Level.OK is found["tls"].level
