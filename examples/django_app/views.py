"""The views: each is one transaction, by ATOMIC_REQUESTS."""

import functools
import json
import secrets
from collections.abc import Callable
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404

from cmqueue import InvalidMessage, OutboxUnavailable
from cmqueue.integrations.django import enqueue_on_commit, get_outbox
from examples.django_app.models import Order

CODE_SECONDS = 300
SOLD_OUT = "unicorn"

View = Callable[[HttpRequest], JsonResponse]


def tells(view: View) -> View:
    """The view, with answers for what the outbox raises."""

    @functools.wraps(view)
    def told(request: HttpRequest) -> JsonResponse:
        try:
            return view(request)
        except InvalidMessage as error:
            transaction.set_rollback(True)
            return JsonResponse({"field": error.field, "problem": error.problem}, status=422)
        except OutboxUnavailable:
            transaction.set_rollback(True)
            return JsonResponse({"problem": "try again"}, status=503, headers={"Retry-After": "1"})

    return told


@tells
def signup(request: HttpRequest) -> JsonResponse:
    """Send a code. Late is as bad as never, so it expires with the code."""
    phone = json.loads(request.body)["phone"]
    code = f"{secrets.randbelow(10**6):06}"
    cache.set(f"code of {phone}", code, CODE_SECONDS)
    receipt = get_outbox().enqueue(
        {"sender": "Acme", "to": phone, "text": f"Your code is {code}"},
        lane="urgent",
        expires_in=CODE_SECONDS,
    )
    return JsonResponse({"message": receipt.id}, status=202)


@tells
def place_order(request: HttpRequest) -> JsonResponse:
    """Keep an order, and tell its owner once it is committed."""
    asked: dict[str, Any] = json.loads(request.body)
    order = Order.objects.create(phone=asked["phone"], item=asked["item"])
    enqueue_on_commit(
        {"sender": "Acme", "to": order.phone, "text": f"Order {order.pk}: one {order.item} is yours."},
        client_reference=f"order-{order.pk}",
        idempotency_key=f"django-order-{order.pk}",
        robust=True,  # the order stands, also where the notice could not be queued
        then=lambda receipt: Order.objects.filter(pk=order.pk).update(message=receipt.id),
    )
    if order.item == SOLD_OUT:
        transaction.set_rollback(True)  # and nobody is told of an order that there is not
        return JsonResponse({"problem": "sold out"}, status=409)
    return JsonResponse({"order": order.pk}, status=201)


def show_order(_request: HttpRequest, order: int) -> JsonResponse:
    """An order, and how its notice fares."""
    found = get_object_or_404(Order, pk=order)
    status = get_outbox().status(found.message)
    return JsonResponse({"item": found.item, "message": found.message, "notice": status and status.state})
