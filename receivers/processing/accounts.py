"""The accounts of an installation, by the codes of their partitions."""

from __future__ import annotations

from collections.abc import Collection

from cmqueue.outbox import Outbox
from cmqueue.partition import Partition


class Accounts:
    """What the registry knows, remembered. Each call raises OutboxUnavailable."""

    def __init__(self, outbox: Outbox, configured: Collection[str] = ()) -> None:
        self._registry = outbox.registry
        self._configured = frozenset(configured)
        self._known: dict[str, tuple[str, Partition]] = {}

    def of(self, id: str) -> str | None:
        """The account of the message `id`; None where more than one may be (`Registry.contested`)."""
        found = self._known.get(id[:2])
        if found is None:
            self._known = self._registry.known()
            found = self._known.get(id[:2])
        return None if found is None or id[:2] in self._registry.contested else found[0]

    def named(self, alias: str) -> str | None:
        """`alias`, where it is one of the accounts: a URL may name anything."""
        if not alias:
            return None
        if alias in self._configured or any(alias == name for name, _ in self._known.values()):
            return alias
        self._known = self._registry.known()
        return alias if any(alias == name for name, _ in self._known.values()) else None

    def partitions(self, account: str) -> list[Partition]:
        """The partitions of `account`, one for each shard."""
        return [partition for name, partition in self._registry.known().values() if name == account]
