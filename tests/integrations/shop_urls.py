"""Views for the tests: each request is one transaction."""

from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.urls import path

from cmqueue import OutboxUnavailable
from cmqueue.integrations.django import enqueue_on_commit

HELLO = {"sender": "Acme", "to": "+31600000001", "text": "hi"}


def order(_request: Any, how: str) -> HttpResponse:
    """Enqueue a notice, then end as told."""
    enqueue_on_commit(HELLO, robust=how == "robust")
    if how == "raises":
        raise OutboxUnavailable("in the view", maybe_enqueued=False)
    if how == "rolls-back":
        transaction.set_rollback(True)
    return HttpResponse("done")


urlpatterns = [path("order/<str:how>", order)]
