"""The messages that are measured with: 250 bytes each on the wire, to numbers that belong to nobody."""

from __future__ import annotations

from collections.abc import Iterator

SENDER = "Acme"
WIRE_BYTES = 250
MOST = 1_000_000  #: numbers there are
_EMPTY = len(
    b'{"from":"Acme","body":{"type":"auto","content":""},'
    b'"minimumNumberOfMessageParts":1,"maximumNumberOfMessageParts":8}'
)
TEXT_CHARACTERS = WIRE_BYTES - _EMPTY


def number(at: int) -> str:
    """A number of its own for each message, under a prefix that no operator has."""
    return f"0031600{at % MOST:06}"


def text(at: int) -> str:
    """A text of its own for each message."""
    return f"Order {at:08} is on its way to you. ".ljust(TEXT_CHARACTERS, ".")


def distinct(count: int, begin: int = 0) -> Iterator[dict[str, str]]:
    """Messages of different texts, as a web app holds them."""
    for at in range(begin, begin + count):
        yield {"sender": SENDER, "to": number(at), "text": text(at)}


def numbers(count: int, begin: int = 0) -> Iterator[str]:
    """Recipients."""
    for at in range(begin, begin + count):
        yield number(at)
