"""Endpoints of an app's, and settings on the test's server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest
from callback_endpoint import TOKEN, AppEndpoint

from config.errands import ErrandSettings
from demo.valkey import RunningServer


@pytest.fixture
def app_endpoint() -> Iterator[AppEndpoint]:
    endpoint = AppEndpoint()
    yield endpoint
    endpoint.close()


@pytest.fixture
def other_endpoint() -> Iterator[AppEndpoint]:
    endpoint = AppEndpoint()
    yield endpoint
    endpoint.close()


@pytest.fixture
def settings(valkey: RunningServer) -> Callable[..., ErrandSettings]:
    """A function that makes settings on the test's server; keywords are more of them."""

    def make(**more: str) -> ErrandSettings:
        given = {"CMQUEUE_REDIS_URL": valkey.url, "CMQUEUE_PRODUCT_TOKEN": TOKEN}
        return ErrandSettings.from_env(given | more)

    return make


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for 127.0.0.1 and shop.invalid that nobody signed, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    crt, key = str(folder / "crt.pem"), str(folder / "key.pem")
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    named = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1,DNS:shop.invalid"]
    files = ["-days", "2", "-keyout", key, "-out", crt]
    subprocess.run([openssl, *made, *named, *files], check=True, capture_output=True, timeout=10)
    return crt, key
