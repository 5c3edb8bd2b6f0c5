"""The intake's clients: who may put messages in by which token, for which account, and how fast."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cmqueue.lane import Lane
from cmqueue.settings import DEFAULT_ACCOUNT

MOST_TOKENS = 2  #: of one client, while it changes from one to the other

_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_RULE_NAME = "must be 1 to 32 letters, digits, hyphens or underscores"
_TOKEN = re.compile(r"[!-~]{20,128}")
_RULE_TOKEN = "must be 20 to 128 visible ASCII characters, without a space"  # noqa: S105  # a sentence
_SHAPE = "must be a JSON object of client name to token, or to an object that has a token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client of the intake. `senders` is None where it may name any, `per_second` without a limit."""

    name: str
    tokens: tuple[str, ...] = field(repr=False)
    account: str = DEFAULT_ACCOUNT
    lane: Lane = Lane.NORMAL  #: of a request that names none
    lanes: tuple[Lane, ...] = tuple(Lane)
    senders: frozenset[str] | None = None
    per_second: float | None = None


def several_clients(value: str) -> tuple[Client, ...]:
    """The clients of a JSON object. No message shows a value that was given: tokens stand among them."""
    try:
        given = json.loads(value, object_pairs_hook=_unique)
    except _Doubled:
        raise ValueError("names a client or an option twice") from None
    except ValueError:
        raise ValueError(_SHAPE) from None
    if not isinstance(given, dict) or not given:
        raise ValueError(f"{_SHAPE}, with at least one")
    clients = tuple(_client(name, described) for name, described in given.items())
    owners: dict[str, str] = {}
    for client in clients:
        for token in client.tokens:
            if owners.setdefault(token, client.name) != client.name:
                raise ValueError(f"{owners[token]!r} and {client.name!r} have the same token")
    return clients


class _Doubled(Exception):
    """A key stands twice in one object."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Doubled
    return found


def _client(name: str, described: object) -> Client:
    if not _NAME.fullmatch(name):
        raise ValueError(f"each name {_RULE_NAME}")
    options = described if isinstance(described, dict) else {"token": described}
    if not options.keys() <= _READERS.keys():
        raise ValueError(f"{name!r} has an option that does not exist; there are {', '.join(_READERS)}")
    if "token" not in options:
        raise ValueError(f"{name!r} has no token")
    read: dict[str, Any] = {}
    for option, given in options.items():
        try:
            read[option] = _READERS[option](given)
        except ValueError as error:
            raise ValueError(f"{option} of {name!r} {error}") from None
    read["tokens"] = read.pop("token")
    if "lanes" in read:
        lanes = read["lanes"]
        lane = read.setdefault("lane", Lane.NORMAL if Lane.NORMAL in lanes else lanes[0])
        if lane not in lanes:
            raise ValueError(f"lane of {name!r} must be one of its lanes")
    return Client(name=name, **read)


def _tokens(given: object) -> tuple[str, ...]:
    found = given if isinstance(given, list) else [given]
    if not 1 <= len(found) <= MOST_TOKENS or len(set(map(str, found))) != len(found):
        raise ValueError(f"must be a token, or a list of {MOST_TOKENS} at most while it changes")
    if not all(isinstance(token, str) and _TOKEN.fullmatch(token) for token in found):
        raise ValueError(_RULE_TOKEN)
    return tuple(found)


def _account(given: object) -> str:
    if not isinstance(given, str) or not _NAME.fullmatch(given):
        raise ValueError(f"{_RULE_NAME}, as in CMQUEUE_ACCOUNTS")
    return given


def _lane(given: object) -> Lane:
    if not isinstance(given, str) or given not in list(Lane):
        raise ValueError(f"must be one of {', '.join(Lane)}")
    return Lane(given)


def _lanes(given: object) -> tuple[Lane, ...]:
    if not isinstance(given, list) or not given:
        raise ValueError(f"must be a list of {', '.join(Lane)}")
    return tuple(dict.fromkeys(map(_lane, given)))


def _senders(given: object) -> frozenset[str]:
    if not isinstance(given, list) or not given or not all(isinstance(one, str) and one for one in given):
        raise ValueError("must be a list of senders, with at least one")
    return frozenset(given)


def _per_second(given: object) -> float:
    if not isinstance(given, int | float) or isinstance(given, bool) or not 0.01 <= given <= 1_000_000:
        raise ValueError("must be a number of messages from 0.01 to 1000000")
    return float(given)


_READERS: Mapping[str, Callable[[object], Any]] = {
    "token": _tokens,
    "account": _account,
    "lane": _lane,
    "lanes": _lanes,
    "senders": _senders,
    "per_second": _per_second,
}
