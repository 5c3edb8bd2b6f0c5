"""System checks: what `manage.py check` says of the settings. They ask no server; `cmqueue doctor` does."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core import checks

from cmqueue.integrations.django.outbox import WrongSetting, given, library_settings
from cmqueue.integrations.process import NAMES
from cmqueue.settings import PREFIX

URL = f"{PREFIX}REDIS_URL"


def check_settings(**_: Any) -> list[checks.CheckMessage]:
    """Whether the library can read its settings, and knows all that begin with its prefix."""
    strange = [
        checks.Warning(
            f"{name} is no setting of cmqueue.",
            hint=f"A web app needs none but {', '.join(NAMES)}.",
            id="cmqueue.W001",
        )
        for name in sorted(dir(settings))
        if name.startswith(PREFIX) and name not in NAMES
    ]
    try:
        library_settings()
    except WrongSetting as error:
        return [checks.Error(str(error), hint=f"Correct {error.variable}.", id="cmqueue.E001"), *strange]
    return strange


def check_deployment(**_: Any) -> list[checks.CheckMessage]:
    """Whether a deployment says where its Redis is."""
    try:
        told = URL in given() or bool(os.environ.get(URL))
    except WrongSetting:
        return []  # told of above
    if told:
        return []
    return [
        checks.Warning(
            f"{URL} is not set: messages go to the Redis of this machine.",
            hint='Set CMQUEUE = {"REDIS_URL": "redis://…"}, or the variable.',
            id="cmqueue.W002",
        )
    ]
