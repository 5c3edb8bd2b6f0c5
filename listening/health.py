"""`/health` and `/ready`: what an orchestrator asks."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmqueue import CmqueueError, Outbox


def health_routes(outbox: Outbox) -> list[Route]:
    """Both paths."""

    async def health(_: Request) -> Response:
        """The process lives."""
        return JSONResponse({"alive": True})

    async def ready(_: Request) -> Response:
        """Redis answers and takes writes, so that what comes can be queued."""
        try:
            await asyncio.to_thread(outbox.registry.agree)
        except CmqueueError:
            return JSONResponse({"ready": False}, 503, {"Retry-After": "1"})
        return JSONResponse({"ready": True})

    return [Route("/health", health), Route("/ready", ready)]
