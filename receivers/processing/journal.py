"""The log of what came back: which event says what. No line holds a number, a text or a token.

Lines are written before the entries that they speak of are given up: each at least once, and exactly once
without a crash. Of what a report did to its message, the history in Redis is authoritative.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from cmqueue.identity import masked
from cmqueue.standard_error import StandardError
from cmqueue.state import State
from receivers.log import log
from receivers.processing.opt_out import Wish

#: Container loggers cut lines at 16 KB; 400 ids take 12.
IDS_PER_LINE = 400


def merged(ids: Mapping[State, Sequence[str]]) -> None:
    """Reports that found their messages, by what they tell."""
    for fact, told in ids.items():
        for page in _pages(told):
            log.info("receipt.merged", fact=fact.value, count=len(page), ids=page)


def conflicted(ids: Sequence[str]) -> None:
    """Messages that are said to have arrived and to have failed; that they arrived counts."""
    for page in _pages(ids):
        log.warning("receipt.conflicted", count=len(page), ids=page)


def never_sent(ids: Sequence[str]) -> None:
    """Messages that waited to be sent were sent by somebody: Redis was rolled back. They are taken back."""
    for page in _pages(ids):
        log.critical(
            "receipt.never_sent",
            count=len(page),
            ids=page,
            do="docs/architecture.md, When Redis goes back in time",
        )


def unmatched(count: int) -> None:
    """Reports of messages that are not here (any more)."""
    if count:
        log.warning("receipt.unmatched", count=count)


def unknown_status(codes: Counter[int]) -> None:
    """Status codes that nobody has documented; nothing was changed by them."""
    for code, count in codes.items():
        log.error("receipt.unknown_status", code=code, count=count)


def safeguarded(account: str, error: StandardError, reports: int) -> None:
    """CM's Safeguard blocks messages of the account."""
    log.error("account.safeguarded", account=account, code=error.code, meaning=error.meaning, reports=reports)


def slowed(account: str, seconds: float) -> None:
    """Nothing of the account is claimed for so long."""
    log.error("account.slowed", account=account, why="safeguard", seconds=seconds)


def wished(
    key: bytes, number: str, wish: Wish, *, language: str, account: str | None, id: str | None, changed: bool
) -> None:
    """Somebody wrote a word that stops messages, or starts them again."""
    event = "optout.received" if wish is Wish.OUT else "optin.received"
    log.info(event, number=masked(key, number), language=language, account=account, id=id, changed=changed)


def heard(kind: str, *, count: int, answering: int, repeated: int) -> None:
    """Inbound messages or interactions that are told to the app; repeats are not."""
    if count or repeated:
        log.info(f"{kind}.received", count=count, answering=answering, repeated=repeated)


def failed(entry: str, error: BaseException) -> None:
    """A bug of ours: the entry is set aside. The words of the error may hold what it choked on."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_globals.get('__name__')}:{place.tb_lineno}" if place is not None else ""
    log.error("inlet.failed", entry=entry, error=type(error).__name__, where=where)


def left(entry: str, problem: str) -> None:
    """Redis refuses what this entry asks for; it is tried again later."""
    log.error("inlet.left", entry=entry, problem=problem)


def _pages(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[at : at + IDS_PER_LINE] for at in range(0, len(ids), IDS_PER_LINE)]
