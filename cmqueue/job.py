"""The job: what the worker needs of one message, packed into the bytes that lie in a queue.

Format 1 (numbers big-endian); the scripts cut at the same offsets (`scripts/common.lua`):

    0      format, "1"
    1      lane letter: u, n, b
    2      flags: 1 at least once, 2 content is shared (the tail is its digest), 4 opaque number,
           8 redriven, though an earlier attempt may have arrived
    3      attempts made so far
    4      resends made so far
    5-8    expires at, seconds since 1970 (UTC); the enqueue script writes it from Redis TIME
    9-12   due at, seconds since 1970; the same
    13-16  time bucket, 4 characters
    17-36  tail of the id, 20 characters
    37-46  random end of the reference, 10 characters
    47     length n of the number in bytes
    48-    the number, then the content: CM's `msg` without `to`, `reference` and `validity`
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import NamedTuple

FORMAT = b"1"
AT_LEAST_ONCE = 1
SHARED = 2
OPAQUE = 4
DOUBTED = 8
DIGEST_BYTES = 16
KEY_AT = slice(13, 37)  #: bucket and tail: the id without its partition
NAME_AT = slice(13, 47)  #: the same, and the random end of the reference

_HEAD = Struct(">c1sBBBII4s20s10sB")
HEAD_BYTES = _HEAD.size
#: What a request needs of a job's head: format, flags, expires at, bucket, random end, length of the number.
#: A worker cuts a thousand of these for a request; to unpack the jobs would take it four times as long.
WIRE_HEAD = Struct(">cxBxxI4x4s20x10sB")
_FLAGS_AT = 2
_EXPIRES_AT = slice(5, 9)


class UnknownFormat(ValueError):
    """A job, row or script of a format that this version does not know."""


class Job(NamedTuple):
    """One message on its way. `content` is wire-ready JSON, or the digest of shared content."""

    lane: str
    flags: int
    attempts: int
    resends: int
    expires_at: int
    due_at: int
    bucket: str
    tail: str
    random: str
    number: str
    content: bytes

    def __repr__(self) -> str:  # the number and the content stay out of logs and tracebacks
        return f"Job({self.bucket}{self.tail}, lane={self.lane!r}, attempts={self.attempts})"

    @property
    def at_least_once(self) -> bool:
        return bool(self.flags & AT_LEAST_ONCE)

    @property
    def doubted(self) -> bool:
        """Whether an earlier attempt may have arrived: then it is certainly unsent no more."""
        return self.resends > 0 or bool(self.flags & DOUBTED)

    @property
    def shared(self) -> bool:
        return bool(self.flags & SHARED)

    def pack(self) -> bytes:
        """The job's bytes. Numbers longer than 255 bytes never get here: the edge refuses them."""
        number = self.number.encode()
        head = _HEAD.pack(
            FORMAT,
            self.lane[:1].encode(),
            self.flags,
            self.attempts,
            self.resends,
            self.expires_at,
            self.due_at,
            self.bucket.encode(),
            self.tail.encode(),
            self.random.encode(),
            len(number),
        )
        return head + number + self.content

    @classmethod
    def unpack(cls, packed: bytes) -> Job:
        """Read `packed`; raises UnknownFormat for another format's bytes."""
        if packed[:1] != FORMAT:
            raise UnknownFormat(f"job format {packed[:1]!r}")
        _, lane, flags, attempts, resends, expires_at, due_at, bucket, tail, random, size = _HEAD.unpack_from(
            packed
        )
        content = HEAD_BYTES + size
        return cls(
            _LANES[lane],
            flags,
            attempts,
            resends,
            expires_at,
            due_at,
            bucket.decode(),
            tail.decode(),
            random.decode(),
            packed[HEAD_BYTES:content].decode(),
            packed[content:],
        )


def digests(packed: Iterable[bytes]) -> set[bytes]:
    """The digests of the shared contents that these jobs need."""
    return {job[-DIGEST_BYTES:] for job in packed if job[_FLAGS_AT] & SHARED}


def earliest_expiry(packed: Iterable[bytes]) -> int:
    """The first of the jobs' expiries, seconds since 1970."""
    return int.from_bytes(min(job[_EXPIRES_AT] for job in packed), "big")


def keys(packed: Sequence[bytes], partition: str = "") -> list[str]:
    """The jobs' ids, without their partition unless that is named."""
    place = partition.encode()
    return b"\n".join([place + job[KEY_AT] for job in packed]).decode().split("\n") if packed else []


_LANES = {b"u": "urgent", b"n": "normal", b"b": "bulk"}
