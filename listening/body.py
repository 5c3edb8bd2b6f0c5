"""Reading a request's body within its bounds."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from listening.turned_down import TurnedDown

SMALL_BYTES = (
    16 << 10
)  #: of a body that neither takes room nor, when it is read, time that others would notice


def is_small(request: Request) -> bool:
    """Whether the request says that its body is small: such ones may be as many as there are connections."""
    announced = request.headers.get("content-length", "")
    return len(announced) < 6 and announced.isdecimal() and int(announced) <= SMALL_BYTES


async def read_body(request: Request, *, most: int, seconds: float) -> bytes:
    """The body, if it is neither too long nor too slow; raises TurnedDown without having read it all."""
    too_long = TurnedDown(413, f"The body is longer than {most} bytes")
    announced = request.headers.get("content-length", "0")
    if len(announced) > 15 or not announced.isdecimal() or int(announced) > most:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise too_long
    except TimeoutError:
        details = f"The body took longer than {seconds:g} seconds; nothing was queued"
        raise TurnedDown(408, details) from None
    return bytes(body)
