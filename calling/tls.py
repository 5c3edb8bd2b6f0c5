"""Which certificates are trusted."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from cmqueue.errors import SettingsError


def tls_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """TLS 1.2 or newer (CM's page "Integration" asks for it), certificates and host names checked.

    Trusted is `ca_bundle`, else the file that REQUESTS_CA_BUNDLE or SSL_CERT_FILE names (for networks that
    inspect TLS), else certifi's. Raises SettingsError for one that can't be read.
    """
    named = [name for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE") if os.environ.get(name)]
    source = named[0] if named and ca_bundle is None else "the bundle of certificates"
    path = ca_bundle or (os.environ[named[0]] if named else DEFAULT_CA_BUNDLE_PATH)
    try:
        if Path(path).is_dir():
            context = ssl.create_default_context(capath=path)
        else:
            context = ssl.create_default_context(cafile=path)
    except OSError as error:
        raise SettingsError(source, f"certificates can't be read ({type(error).__name__})") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
