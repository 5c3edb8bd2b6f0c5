"""The app that INSTALLED_APPS names."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register
from django.core.signals import setting_changed

from cmqueue.integrations.django.checks import check_deployment, check_settings
from cmqueue.integrations.django.outbox import forget


class CmqueueConfig(AppConfig):  # type: ignore[misc]  # Django ships no types
    """System checks, the command `cmqueue`, an outbox that follows `override_settings`. No models."""

    name = "cmqueue.integrations.django"
    label = "cmqueue"
    verbose_name = "cmqueue"

    def ready(self) -> None:
        register(check_settings, "cmqueue")
        register(check_deployment, "cmqueue", deploy=True)
        setting_changed.connect(forget, dispatch_uid="cmqueue")
