"""From claimed jobs to the bytes of one request. Contents are wire-ready, so the work is splicing.

The request's shape is on CM's page "Shared features":

    {"messages": {"msg": [{"to": [{"number": …}, …], "reference": …, "validity": …, <content>}, …]}}
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cmqueue.job import SHARED
from cmqueue.validity import wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cmqueue.job import Job

#: CM takes up to 1000 `msg`, and up to 1000 `to` in each. What it says to more than 1000 messages in one
#: request is nowhere written, so their product stays within it.
MAX_RECIPIENTS = 1000

_HEAD = '{"to":['


@dataclass(frozen=True, slots=True)
class Composed:
    """A request, and what became of the jobs: each is in one of `order`, `left` and `lost`, as an index."""

    body: bytes = field(repr=False)
    pairs: list[tuple[str, str]] = field(repr=False)  #: reference and number, in the order of the wire
    order: list[int]  #: the job behind each pair
    left: list[int]  #: did not fit; to be given back
    lost: list[int]  #: their shared content is gone


#: One `msg` in the making: its reference, what follows the recipients, its content, the recipients, and the
#: job of each. A plain tuple, because a thousand are made for a request.
_Msg = tuple[str, str, bytes, list[str], list[int]]


def compose(
    jobs: Sequence[Job],
    contents: Mapping[bytes, bytes],
    partition: str,
    byte_cap: int,
    legacy_token: str | None = None,
) -> Composed:
    """The request for `jobs`, at most 1000 recipients and `byte_cap` bytes.

    Jobs of one content, reference and expiry share a `msg`. `contents` holds the shared contents by digest.
    The first job that does not fit ends the request, so that none overtakes another of its lane; a job too
    large for any request travels alone. `legacy_token` puts the product token into the body, CM's
    deprecated way of authentication. Without any job to send the body is empty.
    """
    opening, closing = _envelope(legacy_token)
    # A comma is counted before each msg and each recipient; the first msg has none.
    room = byte_cap - len(opening) - len(closing) + 1
    msgs: dict[tuple[bytes, str, str, int], _Msg] = {}
    count = 0
    left: list[int] = []
    lost: list[int] = []
    # Unpacked and with few calls: this loop is most of what a message costs a worker.
    for index, (_, flags, _, _, expires_at, _, bucket, _, random, number, packed) in enumerate(jobs):
        content: bytes | None = contents.get(packed) if flags & SHARED else packed
        if content is None:
            lost.append(index)
            continue
        recipient = (
            '{"number":"' + number + '"}' if number.isascii() and number.isdigit() else _escaped(number)
        )
        key = (content, bucket, random, expires_at)
        msg = msgs.get(key)
        if msg is None:
            reference = partition + bucket + random
            validity = f'"validity":"{wire(expires_at)}",' if expires_at else ""
            middle = f'],"reference":"{reference}",{validity}'
            room -= len(_HEAD) + len(recipient) + len(middle) + len(content)
            msg = (reference, middle, content, [], [])
        else:
            room -= len(recipient) + 1
        if (room < 0 and count) or count == MAX_RECIPIENTS:
            left = list(range(index, len(jobs)))
            break
        if not msg[4]:
            msgs[key] = msg
        msg[3].append(recipient)
        msg[4].append(index)
        count += 1
    order = [index for msg in msgs.values() for index in msg[4]]
    return Composed(
        _joined(opening, msgs.values(), closing) if msgs else b"",
        [
            (reference, jobs[index].number)
            for reference, _, _, _, members in msgs.values()
            for index in members
        ],
        order,
        left,
        lost,
    )


def _joined(opening: bytes, msgs: Iterable[_Msg], closing: bytes) -> bytes:
    written = [
        (_HEAD + ",".join(recipients) + middle).encode() + content[1:]
        for _, middle, content, recipients, _ in msgs
    ]
    return opening + b",".join(written) + closing


def _escaped(number: str) -> str:
    """One item of `to` for an opaque recipient, in ASCII, so that its characters are its bytes."""
    return '{"number":' + json.dumps(number) + "}"


def _envelope(legacy_token: str | None) -> tuple[bytes, bytes]:
    """What stands around the items of `msg`."""
    if legacy_token is None:
        return b'{"messages":{"msg":[', b"]}}"
    token = json.dumps(legacy_token).encode()
    return b'{"messages":{"authentication":{"productToken":%b},"msg":[' % token, b"]}}"
