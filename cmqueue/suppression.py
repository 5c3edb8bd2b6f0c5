"""The suppression list: numbers that nothing is sent to, for one sender or for all of them.

It is asked at the mark, the last moment before a message goes out. Each partition holds the list of its
account (`cmq:{XX}:suppressed`, scripts/suppress.lua), so that the mark is one script; an entry is written to
all partitions that it concerns. Numbers lie there as HMACs under a key of their own, which is never rotated:
an opt-out must outlive every other secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from itertools import chain, islice
from struct import Struct
from typing import NamedTuple

from cmqueue.identity import keyed, mac_under
from cmqueue.job import HEAD_BYTES, SHARED, WIRE_HEAD
from cmqueue.log import log
from cmqueue.outbox import Outbox
from cmqueue.partition import Partition
from cmqueue.state import Reason

HASH_BYTES = 16
SENDER_BYTES = 8
SCREEN_BYTES = HASH_BYTES + SENDER_BYTES
ANY_SENDER = bytes(SENDER_BYTES)
_ENTRY = Struct(">8scI")
_PAGE = 500
_PURPOSE = b"suppression|"
_SENDER = re.compile(rb'\{"from":("(?:[^"\\]|\\.)*")')  # a content begins with it: cmqueue/content.py


class Why(StrEnum):
    """Why a number is on the list."""

    OPTED_OUT = "opted_out"  #: its owner said so
    UNREACHABLE = "unreachable"  #: CM reported it wrong, barred or on a national list
    BLOCKED = "blocked"  #: an operator, or the app

    @property
    def reason(self) -> Reason:
        """The reason that a suppressed message ends with."""
        return Reason[self.name]

    @property
    def letter(self) -> str:
        return self.value[0]


WHY_OF_LETTER = {why.letter: why for why in Why}


class Entry(NamedTuple):
    """One entry of an account's list. `number` and `sender` are hashes in hex; no sender is any."""

    account: str
    number: str
    sender: str | None
    why: Why
    at: int  #: seconds since 1970


def plain_number(number: str) -> str:
    """A recipient in the one form that the list knows: a phone number without + or 00, else as it is."""
    stripped = number.strip()
    digits = stripped.removeprefix("+")
    return digits.removeprefix("00") if digits.isascii() and digits.isdecimal() else stripped


def plain_sender(sender: str) -> str:
    """A sender in the one form that the list knows: a number as any other, a name without its case."""
    return plain_number(sender).casefold()


@lru_cache(maxsize=4096)
def sender_digest(sender: str) -> bytes:
    """A sender as an entry holds it. Senders are no secret: they stand on every message."""
    return sha256(plain_sender(sender).encode("utf-8", "surrogatepass")).digest()[:SENDER_BYTES]


class Suppressions:
    """The lists of an installation's accounts. Its calls raise OutboxUnavailable; repeating one is safe."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def add(
        self,
        number: str,
        *,
        account: str | None = None,
        sender: str | None = None,
        why: Why = Why.BLOCKED,
    ) -> bool:
        """Send nothing more to `number`: by `account` (None: all), from `sender` (None: any).

        False where it was on the list already; why it came there first is kept.
        """
        return self.add_many([number], account=account, sender=sender, why=why) > 0

    def add_many(
        self,
        numbers: Iterable[str],
        *,
        account: str | None = None,
        sender: str | None = None,
        why: Why = Why.BLOCKED,
    ) -> int:
        """`add` each; how many entries that made in the lists of all accounts together."""
        changed = self._write("add", numbers, account, sender, why.letter)
        if changed:
            any_sender = sender is None
            log.info(
                "numbers.suppressed", account=account, any_sender=any_sender, why=why.value, entries=changed
            )
        return changed

    def remove(
        self, number: str, *, account: str | None = None, sender: str | None = None, why: Why | None = None
    ) -> bool:
        """Take the entry of exactly this `sender` (None: that of any sender) off; whether there was one.

        With `why` only one that is there for it.
        """
        changed = self._write("remove", [number], account, sender, why.letter if why else "*")
        if changed:
            log.info("numbers.unsuppressed", account=account, any_sender=sender is None, entries=changed)
        return changed > 0

    def of(self, number: str, *, account: str | None = None) -> list[Entry]:
        """The entries of one number."""
        hashed = self._hash(number)
        client, guarded = self._outbox.scripts.client, self._outbox.scripts.guarded
        found: list[Entry] = []
        for name, partition in self._lists(account):
            packed = guarded(lambda at=partition: client.hget(at.prefix + "suppressed", hashed))
            found += _unpacked(name, hashed, packed or b"")
        return _once(found)

    def entries(self, *, account: str | None = None) -> Iterator[Entry]:
        """Every entry, in small steps; what changes meanwhile may be missed."""
        client, guarded = self._outbox.scripts.client, self._outbox.scripts.guarded
        accounts: dict[str, list[Partition]] = {}
        for name, partition in self._lists(account):
            accounts.setdefault(name, []).append(partition)
        for name, partitions in accounts.items():
            seen: set[tuple[str, str | None]] = set()
            for partition in partitions:
                cursor = 0
                while True:
                    cursor, page = guarded(
                        lambda at=partition, cursor=cursor: client.hscan(
                            at.prefix + "suppressed", cursor, count=_PAGE
                        )
                    )
                    for hashed, packed in page.items():
                        for entry in _unpacked(name, hashed, packed):
                            if (entry.number, entry.sender) not in seen:
                                seen.add((entry.number, entry.sender))
                                yield entry
                    if cursor == 0:
                        break

    def _write(
        self, verb: str, numbers: Iterable[str], account: str | None, sender: str | None, why: str
    ) -> int:
        entry = (ANY_SENDER if sender is None else sender_digest(sender)) + why.encode()
        source, changed = iter(numbers), 0
        self._complete(account)
        lists, scripts = self._lists(account), self._outbox.scripts
        while page := [self._hash(number) for number in islice(source, _PAGE)]:
            given = list(chain.from_iterable((hashed, entry) for hashed in page))
            for _, partition in lists:
                changed += int(scripts.run("suppress", partition.prefix, [verb, *given]))
        return changed

    def _complete(self, account: str | None) -> None:
        """Make what is missing of the account's shards, or of all accounts': a list may come before its first
        message.
        """
        registry = self._outbox.registry
        if account is None:
            owners = ((code, name) for code, (name, _) in registry.known().items())
            named = {name for code, name in owners if code not in registry.contested}
        else:
            named = {account}
        for name in named:
            for shard in range(self._outbox.settings.shards):
                registry.partition(name, shard)

    def _lists(self, account: str | None) -> list[tuple[str, Partition]]:
        if account is None and not self._outbox.registry.known():
            self._outbox.registry.partition("default")
        return [
            (name, partition)
            for _, (name, partition) in sorted(self._outbox.registry.known().items())
            if account in (None, name)
        ]

    def _hash(self, number: str) -> bytes:
        plain = plain_number(number).encode("utf-8", "surrogatepass")
        return keyed(self._outbox.registry.suppression_key, "suppression", plain)


def screens(jobs: Sequence[bytes], contents: Mapping[bytes, bytes], key: bytes) -> bytes:
    """What the mark holds against the list: for each packed job the hash of its number and its sender.

    `contents` are the shared ones by digest; `key` is the suppression key.
    """
    hashed = mac_under(key, _PURPOSE)
    written: list[bytes] = []
    for job in jobs:
        _, flags, _, _, _, size = WIRE_HEAD.unpack_from(job)
        number, content = job[HEAD_BYTES : HEAD_BYTES + size], job[HEAD_BYTES + size :]
        if flags & SHARED:
            content = contents.get(content, b"")
        written.append(hashed(_plain(number))[:HASH_BYTES] + _sender_of(content))
    return b"".join(written)


def _plain(number: bytes) -> bytes:
    """`plain_number` of a job's number, which is in CM's form already: 00 and digits, or an opaque id."""
    if number.isdigit():
        return number.removeprefix(b"00")
    return plain_number(number.decode()).encode()


def _sender_of(content: bytes) -> bytes:
    found = _SENDER.match(content)
    return _digest_on_wire(found[1]) if found else ANY_SENDER


@lru_cache(maxsize=4096)
def _digest_on_wire(sender: bytes) -> bytes:
    return sender_digest(json.loads(sender))


def _unpacked(account: str, hashed: bytes, packed: bytes) -> Iterator[Entry]:
    for sender, why, at in _ENTRY.iter_unpack(packed):
        name = None if sender == ANY_SENDER else sender.hex()
        yield Entry(account, hashed.hex(), name, WHY_OF_LETTER[why.decode()], at)


def _once(found: Sequence[Entry]) -> list[Entry]:
    """Without repeats: the partitions of one account hold the same list."""
    return list({(entry.account, entry.sender): entry for entry in found}.values())
