"""What is judged of a request by its head, before its body is read."""

from __future__ import annotations

from collections.abc import Iterable

from listening.turned_down import TurnedDown

_LENGTH, _TRANSFER, _ENCODING = b"content-length", b"transfer-encoding", b"content-encoding"
#: Headers of which two would leave open which one counts.
_ONCE = frozenset({_LENGTH, _TRANSFER, _ENCODING, b"authorization"})


def check_head(headers: Iterable[tuple[bytes, bytes]], once: frozenset[bytes] = frozenset()) -> None:
    """Raise TurnedDown for headers, their names in lower case, that contradict each other or can't be met.

    `once` are the program's own that may not be given twice either.
    """
    seen: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _ONCE or name in once:
            if name in seen:
                raise TurnedDown(400, f"The header {name.decode()} is given twice", closes=True)
            seen[name] = value
    if _TRANSFER in seen and _LENGTH in seen:
        raise TurnedDown(400, "Content-Length and Transfer-Encoding are given together", closes=True)
    if seen.get(_ENCODING, b"identity").strip().lower() not in (b"identity", b""):
        raise TurnedDown(415, "Content-Encoding is not taken: send the body as it is")
