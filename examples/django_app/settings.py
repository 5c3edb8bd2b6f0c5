"""The settings. Where Redis is, the environment says: CMQUEUE_REDIS_URL."""

import os

SECRET_KEY = "of this example alone"  # noqa: S105 - it protects nothing
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "examples.django_app.urls"
INSTALLED_APPS = ["cmqueue.integrations.django", "examples.django_app"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("EXAMPLE_DATABASE", "example.sqlite3"),
        "ATOMIC_REQUESTS": True,
    }
}

CMQUEUE = {"REDIS_TIMEOUT": 1}
