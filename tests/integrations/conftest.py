"""Django, set up once for the process, as a web app's tests do it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import django
import pytest
from django.conf import settings

from cmqueue.testing import MemoryOutbox

with warnings.catch_warnings():  # Starlette asks for a successor of httpx that FastAPI does not name yet
    warnings.simplefilter("ignore")
    import fastapi.testclient  # noqa: F401 - the tests import it again, silently

settings.configure(
    INSTALLED_APPS=["cmqueue.integrations.django"],
    DATABASES={
        name: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "ATOMIC_REQUESTS": True}
        for name in ("default", "other")
    },
    ROOT_URLCONF="shop_urls",
    ALLOWED_HOSTS=["testserver"],
    LOGGING_CONFIG=None,
    USE_TZ=True,
)
django.setup()


@pytest.fixture
def memory() -> Iterator[MemoryOutbox]:
    """An outbox in memory, empty."""
    with MemoryOutbox() as made:
        yield made
