"""What is judged of a request before its body is read, and reading the body within its bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from starlette.requests import Request

from producers.intake.answer import INTERNAL_ERROR
from producers.intake.request import MALFORMED, Refused

_LENGTH, _TRANSFER, _ENCODING = b"content-length", b"transfer-encoding", b"content-encoding"
#: Headers of which two would leave open which one counts.
_ONCE = frozenset(
    {
        *(_LENGTH, _TRANSFER, _ENCODING, b"authorization", b"x-cm-producttoken", b"idempotency-key"),
        *(b"cmqueue-lane", b"cmqueue-send-at", b"cmqueue-expires-in", b"cmqueue-ids"),
    }
)


SMALL_BYTES = (
    16 << 10
)  #: of a body that neither takes room nor, when it is read, time that others would notice


class Misframed(Refused):
    """It can be read in two ways, as in request smuggling: the connection is not used again."""


def check_head(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raise Refused for headers, their names in lower case, that contradict each other or can't be met."""
    seen: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _ONCE:
            if name in seen:
                raise Misframed(MALFORMED, f"The header {name.decode()} is given twice")
            seen[name] = value
    if _TRANSFER in seen and _LENGTH in seen:
        raise Misframed(MALFORMED, "Content-Length and Transfer-Encoding are given together")
    if seen.get(_ENCODING, b"identity").strip().lower() not in (b"identity", b""):
        raise Refused(MALFORMED, "Content-Encoding is not taken: send the body as it is", status=415)


def is_small(request: Request) -> bool:
    """Whether the request says that its body is small: such ones may be as many as there are connections."""
    announced = request.headers.get("content-length", "")
    return len(announced) < 6 and announced.isdecimal() and int(announced) <= SMALL_BYTES


async def read_body(request: Request, *, most: int, seconds: float) -> bytes:
    """The body, if it is neither too long nor too slow; raises Refused without having read it all."""
    too_long = Refused(MALFORMED, f"The body is longer than {most} bytes", status=413)
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
        raise Refused(INTERNAL_ERROR, details, status=408) from None
    return bytes(body)


class Room:
    """A bounded number of larger requests at once, so that memory stays bounded while they wait."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside = 0

    def __enter__(self) -> Self:
        """Raises Refused (503) where it is full."""
        if self._inside >= self._most:
            details = "Too many requests at once; nothing was queued"
            raise Refused(INTERNAL_ERROR, details, status=503, retry_after=1)
        self._inside += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inside -= 1
