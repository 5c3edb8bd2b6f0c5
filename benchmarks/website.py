"""A web app of one view that enqueues, in each framework: `python -m benchmarks.website FRAMEWORK`.

It listens on a free port of loopback, which it prints; its answers say how many milliseconds `enqueue` took.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from benchmarks.messages import SENDER, number, text
from cmqueue import AsyncOutbox

_places = count()


def _message() -> dict[str, str]:
    at = next(_places)
    return {"sender": SENDER, "to": number(at), "text": text(at)}


def _since(began: float) -> dict[str, float]:
    return {"ms": (time.perf_counter() - began) * 1000}


def django() -> None:
    """By Django's settings and its WSGI handler."""
    from django.conf import settings  # noqa: PLC0415 - of three frameworks one is needed
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415 - the same
    from django.http import HttpRequest, JsonResponse  # noqa: PLC0415 - the same
    from django.urls import path  # noqa: PLC0415 - the same

    from cmqueue.integrations.django import get_outbox  # noqa: PLC0415 - the same

    def enqueue(_request: HttpRequest) -> JsonResponse:
        message = _message()
        began = time.perf_counter()
        get_outbox().enqueue(message, lane="urgent")
        return JsonResponse(_since(began))

    settings.configure(
        INSTALLED_APPS=["cmqueue.integrations.django"],
        ROOT_URLCONF=(path("", enqueue),),
        ALLOWED_HOSTS=["127.0.0.1"],
    )
    _serve(get_wsgi_application())


def flask() -> None:
    """By the extension."""
    from flask import Flask  # noqa: PLC0415 - of three frameworks one is needed

    from cmqueue.integrations.flask import CmQueue, current_outbox  # noqa: PLC0415 - the same

    app = Flask("benchmarks.website")
    CmQueue(app)

    @app.get("/")
    def enqueue() -> dict[str, float]:
        message = _message()
        began = time.perf_counter()
        current_outbox.enqueue(message, lane="urgent")
        return _since(began)

    _serve(app)


def fastapi() -> None:
    """By lifespan and dependency, on uvicorn: the call goes through a thread."""
    import uvicorn  # noqa: PLC0415 - of three frameworks one is needed
    from fastapi import Depends, FastAPI  # noqa: PLC0415 - the same

    from cmqueue.integrations.fastapi import get_outbox, lifespan  # noqa: PLC0415 - the same

    app = FastAPI(lifespan=lifespan)

    async def enqueue(outbox: AsyncOutbox = Depends(get_outbox)) -> dict[str, float]:  # noqa: B008 - `Annotated` would be looked up in the module
        message = _message()
        began = time.perf_counter()
        await outbox.enqueue(message, lane="urgent")
        return _since(began)

    app.get("/")(enqueue)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *_: Any) -> None:
        """Nothing: a line for each request would be measured too."""


def _serve(app: Any) -> None:
    with make_server("127.0.0.1", 0, app, handler_class=_Silent) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


FRAMEWORKS: dict[str, Callable[[], None]] = {"Django": django, "Flask": flask, "FastAPI": fastapi}

if __name__ == "__main__":
    FRAMEWORKS[sys.argv[1]]()
