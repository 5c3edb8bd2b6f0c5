"""What a whole installation shares: its secret keys, and the codes of its partitions."""

from __future__ import annotations

import threading
import zlib

from cmqueue.connection import Scripts
from cmqueue.errors import SettingsError
from cmqueue.identity import PARTITIONS, spelled, tail_of
from cmqueue.keyring import Keyring
from cmqueue.partition import REGISTRY, Partition
from cmqueue.settings import LibrarySettings

# Gives a partition the next free code, or the one that it has.
_ASSIGN = """
local code = redis.call('HGET', KEYS[1], ARGV[1])
if code then return code end
local free = redis.call('HLEN', KEYS[1])
redis.call('HSET', KEYS[1], ARGV[1], free)
return tostring(free)
"""


class Registry:
    """The keys and the partitions, each asked for once and remembered."""

    def __init__(self, scripts: Scripts, settings: LibrarySettings) -> None:
        self._scripts = scripts
        self._settings = settings
        self._assign = scripts.client.register_script(_ASSIGN)
        self.keyring = Keyring(scripts, settings)
        self._keys: tuple[bytes, ...] | None = None
        self._partitions: dict[str, Partition] = {}
        self._lock = threading.Lock()

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

    def agree(self) -> None:
        """Settle this process's keys with the installation's. Raises SettingsError where they differ."""
        self.keyring.agree()

    def tails(self, reference: str, number: str) -> list[str]:
        """The tails that the message (reference, number) may have: one for each key, newest first."""
        return [tail_of(key, reference, number) for key in self.keys]

    def partition(self, account: str, shard: int = 0) -> Partition:
        """The partition of (account, shard), made on first use."""
        name = f"{account}:{shard}"
        found = self._partitions.get(name)
        if found is None:
            number = int(self._scripts.guarded(lambda: self._assign(keys=[REGISTRY], args=[name])))
            if number >= PARTITIONS:
                raise SettingsError(
                    "CMQUEUE_SHARDS", f"more than {PARTITIONS} partitions (accounts times shards)"
                )
            found = self._partitions[name] = Partition(self._scripts, spelled(number, 2))
        return found

    def partition_for(self, account: str, seed: bytes) -> Partition:
        """The partition of `account` that `seed` falls to: the same seed, the same shard."""
        shards = self._settings.shards
        return self.partition(account, zlib.crc32(seed) % shards if shards > 1 else 0)

    def known(self) -> dict[str, tuple[str, Partition]]:
        """Every partition there is: code to (account, partition)."""
        client = self._scripts.client
        named = self._scripts.guarded(lambda: client.hgetall(REGISTRY))
        found = {}
        for name, number in named.items():
            account = name.decode().rpartition(":")[0]
            code = spelled(int(number), 2)
            found[code] = (account, Partition(self._scripts, code))
        return found
