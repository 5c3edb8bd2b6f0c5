"""What a whole installation shares: its secret keys, and the codes of its partitions.

Redis keeps both, and each process remembers what it was told. A Redis that comes back without them, empty or
older, is told of them by whoever ran on: on each new connection before its first command, and whenever the
partitions are listed, which a worker does every second.
"""

from __future__ import annotations

import threading
import zlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from redis.exceptions import ResponseError

from cmqueue.connection import Scripts
from cmqueue.errors import OutboxUnavailable, SettingsError
from cmqueue.events.subscribers import begin_in
from cmqueue.identity import PARTITIONS, spelled, tail_of
from cmqueue.keyring import Keyring
from cmqueue.log import log
from cmqueue.partition import REGISTRY, Partition
from cmqueue.settings import DEFAULT_ACCOUNT, LibrarySettings

# Gives the partition ARGV[1] the number that it has, else the first free one of ARGV[3] from ARGV[2] on.
# Returns all there are: name, number, …
_ASSIGN = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  local taken = {}
  for _, number in ipairs(redis.call('HVALS', KEYS[1])) do taken[tonumber(number)] = true end
  for step = 0, ARGV[3] - 1 do
    local number = (ARGV[2] + step) % ARGV[3]
    if not taken[number] then
      redis.call('HSET', KEYS[1], ARGV[1], number)
      break
    end
  end
end
return redis.call('HGETALL', KEYS[1])
"""

# Writes back what is lost. ARGV: name, number, and the name that the number goes under where the first has
# another number by now; name, …
# Returns all there are: name, number, …
_RESTORE = """
for n = 1, #ARGV, 3 do
  local number = redis.call('HGET', KEYS[1], ARGV[n])
  if number ~= ARGV[n + 1] then
    redis.call('HDEL', KEYS[1], '') -- see `begin_though_full` in scripts/common.lua
    redis.call('HSETNX', KEYS[1], ARGV[number and n + 2 or n], ARGV[n + 1])
  end
end
return redis.call('HGETALL', KEYS[1])
"""

Execute = Callable[..., Any]


class Registry:
    """The keys and the partitions, each asked for once and remembered.

    `contested` are the codes that more than one account holds: a Redis without its registry gave one away
    before a process that had it could say so. Nobody can tell whose messages lie there, so none is sent.
    """

    def __init__(self, scripts: Scripts, settings: LibrarySettings) -> None:
        self._scripts = scripts
        self._settings = settings
        self._assign = scripts.client.register_script(_ASSIGN)
        self.keyring = Keyring(scripts, settings)
        self._keys: tuple[bytes, ...] | None = None
        self._told: dict[bytes, bytes] = {}  # name to number, as Redis keeps them
        self._partitions: dict[str, Partition] = {}
        self.contested: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        scripts.greet(self._greet)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keys, newest first: the first names messages, all are read.

        Raises SettingsError where this process's first is not the installation's.
        """
        if self._keys is None:
            with self._lock:
                self._keys = self.keyring.agree()
        return self._keys

    @property
    def key(self) -> bytes:
        """The key of all new ids. Raises as `keys`."""
        return self.keys[0]

    @property
    def suppression_key(self) -> bytes:
        """The key of the suppression lists. Raises OutboxUnavailable where it was not read yet."""
        return self.keyring.suppression()

    def agree(self) -> None:
        """Settle this process's keys with the installation's. Raises SettingsError where they differ."""
        self.keyring.agree()
        self.keyring.suppression()  # made now: an opt-out may come when Redis is full

    def tails(self, reference: str, number: str) -> list[str]:
        """The tails that the message (reference, number) may have: one for each key, newest first."""
        return [tail_of(key, reference, number) for key in self.keys]

    def partition(self, account: str, shard: int = 0) -> Partition:
        """The partition of (account, shard), made on first use. Raises OutboxUnavailable."""
        name = f"{account}:{shard}"
        found = self._partitions.get(name)
        if found is None:
            found = self._partitions[name] = self._assigned(name)
        return found

    def _assigned(self, name: str) -> Partition:
        args: list[str | int] = [name, _home(name), PARTITIONS]
        self._learn(_paired(self._scripts.guarded(lambda: self._assign(keys=[REGISTRY], args=args))))
        number = self._told.get(name.encode())
        if number is None:
            raise SettingsError(
                "CMQUEUE_SHARDS", f"more than {PARTITIONS} partitions (accounts times shards)"
            )
        code = spelled(int(number), 2)
        if code in self.contested:
            problem = f"two accounts hold the partition {code}, since Redis lost its registry"
            raise OutboxUnavailable(problem, maybe_enqueued=True)  # an earlier chunk perhaps
        begin_in(self._scripts, code)
        return Partition(self._scripts, code)

    def partition_for(self, account: str, seed: bytes) -> Partition:
        """The partition of `account` that `seed` falls to: the same seed, the same shard."""
        shards = self._settings.shards
        return self.partition(account, zlib.crc32(seed) % shards if shards > 1 else 0)

    def known(self) -> dict[str, tuple[str, Partition]]:
        """Every partition there is, code to (account, partition); what Redis has lost is written back.

        A contested one has the names of its accounts in place of one, which is the name of none.
        """
        execute = self._scripts.client.execute_command
        owners = self._scripts.guarded(lambda: self._restore(execute))
        return {
            code: (", ".join(sorted(accounts)), Partition(self._scripts, code))
            for code, accounts in owners.items()
        }

    def _greet(self, connection: Any) -> None:
        """Before the first command of a connection: the server may be one that has forgotten."""
        if not (self._told or self.keyring.kept):
            return

        def execute(*command: Any) -> Any:
            connection.send_command(*command)
            return connection.read_response()

        try:
            self._restore(execute)
        except ResponseError as error:  # it may be read-only, say; the command that follows will tell
            log.warning("registry.unrestored", problem=type(error).__name__)

    def _restore(self, execute: Execute) -> dict[str, set[str]]:
        """Write back what Redis has lost; nothing is written where nothing is. Returns as `_learn`."""
        keys = self.keyring.restore(execute)
        named = execute("HGETALL", REGISTRY)
        if not isinstance(named, dict):  # a bare connection does not pair them
            named = _paired(named)
        lost = [(name, number) for name, number in self._told.copy().items() if named.get(name) != number]
        if lost:
            args: list[bytes] = []
            for name, number in lost:
                account = name.rpartition(b":")[0]
                args += (name, number, account + b":" + spelled(int(number), 2).encode())
            named = _paired(execute("EVAL", _RESTORE, 1, REGISTRY, *args))
        if keys or lost:
            log.error("registry.restored", partitions=len(lost), keys=keys)
        return self._learn(named)

    def _learn(self, named: dict[bytes, bytes]) -> dict[str, set[str]]:
        """Remember the partitions, name to number; returns the accounts that hold each code."""
        owners = defaultdict[str, set[str]](set)
        for name, number in named.items():
            owners[spelled(int(number), 2)].add(name.rpartition(b":")[0].decode())
        contested = frozenset(code for code, accounts in owners.items() if len(accounts) > 1)
        for code in sorted(contested - self.contested):
            log.critical(
                "partition.contested",
                partition=code,
                accounts=sorted(owners[code]),
                do="docs/architecture.md, When Redis goes back in time",
            )
        if contested != self.contested or not self._told.copy().items() <= named.items():
            self._partitions.clear()
        self.contested = contested
        self._told.update(named)
        return owners


def _paired(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _home(name: str) -> int:
    """Where the search for a code begins: by the name, so that a Redis that forgot gives the same again.

    That of the default account is 0.
    """
    return (zlib.crc32(name.encode()) ^ zlib.crc32(f"{DEFAULT_ACCOUNT}:0".encode())) % PARTITIONS
