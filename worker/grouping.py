"""From claimed jobs to the bytes of one request. Contents are wire-ready, so the work is splicing.

The request's shape is on CM's page "Shared features":

    {"messages": {"msg": [{"to": [{"number": …}, …], "reference": …, "validity": …, <content>}, …]}}
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cmqueue.job import FORMAT, HEAD_BYTES, SHARED, WIRE_HEAD, UnknownFormat
from cmqueue.validity import wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: CM takes up to 1000 `msg`, and up to 1000 `to` in each. What it says to more than 1000 messages in one
#: request is nowhere written, so their product stays within it.
MAX_RECIPIENTS = 1000

_HEAD = b'{"to":['


@dataclass(frozen=True, slots=True)
class Composed:
    """A request, and what became of the jobs: each is in one of `order`, `left` and `lost`, as an index."""

    body: bytes = field(repr=False)
    pairs: list[tuple[str, str]] = field(repr=False)  #: reference and number, in the order of the wire
    order: list[int]  #: the job behind each pair
    left: list[int]  #: did not fit; to be given back
    lost: list[int]  #: their shared content is gone


#: One `msg` in the making: its reference, when it expires, what follows the recipients, its content, the
#: recipients, and the job of each. A plain tuple, because a thousand are made for a request.
_Msg = tuple[str, int, bytes, bytes, list[bytes], list[int]]
#: A msg is found by bucket and random end, the reference without its partition; a second content or expiry
#: under one reference is found by all three.
_Name = bytes | tuple[bytes, bytes, int]


def compose(
    jobs: Sequence[bytes],
    contents: Mapping[bytes, bytes],
    partition: str,
    byte_cap: int,
    legacy_token: str | None = None,
) -> Composed:
    """The request for `jobs`, which are packed: at most 1000 recipients and `byte_cap` bytes.

    Jobs of one content, reference and expiry share a `msg`. `contents` holds the shared contents by digest.
    The first job that does not fit ends the request, so that none overtakes another of its lane; a job too
    large for any request travels alone. `legacy_token` puts the product token into the body, CM's
    deprecated way of authentication. Without any job to send the body is empty. Raises UnknownFormat.
    """
    opening, closing = _envelope(legacy_token)
    if composed := _each_its_own(jobs, partition, byte_cap, opening, closing):
        return composed
    # A comma is counted before each msg and each recipient; the first msg has none.
    room = byte_cap - len(opening) - len(closing) + 1
    msgs: dict[_Name, _Msg] = {}
    numbers: list[str] = []
    count = 0
    left: list[int] = []
    lost: list[int] = []
    for index, job in enumerate(jobs):
        form, flags, expires_at, bucket, random, size = WIRE_HEAD.unpack_from(job)
        if form != FORMAT:
            raise UnknownFormat(f"job format {form!r}")
        number, content = job[HEAD_BYTES : HEAD_BYTES + size], job[HEAD_BYTES + size :]
        numbers.append(number.decode())
        if flags & SHARED:
            shared = contents.get(content)
            if shared is None:
                lost.append(index)
                continue
            content = shared
        recipient = b'{"number":"' + number + b'"}' if number.isdigit() else _escaped(number)
        name: _Name = bucket + random
        msg = msgs.get(name)
        if msg is not None and (msg[1] != expires_at or msg[3] != content):
            name = (bucket + random, content, expires_at)
            msg = msgs.get(name)
        if msg is None:
            reference = partition + (bucket + random).decode()
            middle = _middle(reference, expires_at)
            room -= len(_HEAD) + len(recipient) + len(middle) + len(content)
            msg = (reference, expires_at, middle, content, [], [])
        else:
            room -= len(recipient) + 1
        if (room < 0 and count) or count == MAX_RECIPIENTS:
            left = list(range(index, len(jobs)))
            break
        if not msg[5]:
            msgs[name] = msg
        msg[4].append(recipient)
        msg[5].append(index)
        count += 1
    return Composed(
        _joined(opening, msgs.values(), closing) if msgs else b"",
        [(msg[0], numbers[index]) for msg in msgs.values() for index in msg[5]],
        [index for msg in msgs.values() for index in msg[5]],
        left,
        lost,
    )


def _each_its_own(
    jobs: Sequence[bytes], partition: str, byte_cap: int, opening: bytes, closing: bytes
) -> Composed | None:
    """The everyday request: each job is a `msg` of its own, has its content with it, and all fit; else None.

    In bytes and with few calls: this loop is most of what a message costs a worker.
    """
    names: list[bytes] = []
    numbers: list[bytes] = []
    written: list[bytes] = []
    middle, before = b"", -1
    place = partition.encode()
    for job in jobs:
        form, flags, expires_at, bucket, random, size = WIRE_HEAD.unpack_from(job)
        number = job[HEAD_BYTES : HEAD_BYTES + size]
        if form != FORMAT or flags & SHARED or not number.isdigit():
            return None
        name = place + bucket + random
        if expires_at != before:
            middle, before = _validity(expires_at), expires_at
        names.append(name)
        numbers.append(number)
        written.append(
            b'{"to":[{"number":"%b"}],"reference":"%b",%b%b'
            % (number, name, middle, job[HEAD_BYTES + size + 1 :])
        )
    count = len(names)
    body = opening + b",".join(written) + closing
    if not 0 < len(set(names)) == count <= MAX_RECIPIENTS or len(body) > byte_cap:
        return None
    pairs = zip(_decoded(names), _decoded(numbers), strict=True)
    return Composed(body, list(pairs), list(range(count)), [], [])


def _decoded(texts: list[bytes]) -> list[str]:
    """All of them in one call; none holds a space."""
    return b" ".join(texts).decode().split(" ")


def _middle(reference: str, expires_at: int) -> bytes:
    """What stands between the recipients and the content."""
    return f'],"reference":"{reference}",'.encode() + _validity(expires_at)


def _validity(expires_at: int) -> bytes:
    return f'"validity":"{wire(expires_at)}",'.encode() if expires_at else b""


def _joined(opening: bytes, msgs: Iterable[_Msg], closing: bytes) -> bytes:
    written = [
        _HEAD + b",".join(recipients) + middle + content[1:] for _, _, middle, content, recipients, _ in msgs
    ]
    return opening + b",".join(written) + closing


def _escaped(number: bytes) -> bytes:
    """One item of `to` for an opaque recipient."""
    return b'{"number":' + json.dumps(number.decode()).encode() + b"}"


def _envelope(legacy_token: str | None) -> tuple[bytes, bytes]:
    """What stands around the items of `msg`."""
    if legacy_token is None:
        return b'{"messages":{"msg":[', b"]}}"
    token = json.dumps(legacy_token).encode()
    return b'{"messages":{"authentication":{"productToken":%b},"msg":[' % token, b"]}}"
