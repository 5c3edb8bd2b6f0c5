"""What a whole installation shares: its secret key and the codes of its partitions, both kept in Redis."""

from __future__ import annotations

import secrets
import threading
import zlib

from cmqueue.connection import Scripts
from cmqueue.errors import SettingsError
from cmqueue.identity import PARTITIONS, fingerprint, spelled
from cmqueue.partition import REGISTRY, ROOT, Partition
from cmqueue.settings import LibrarySettings

KEY = ROOT + "key"
FINGERPRINT = ROOT + "fingerprint"

# Gives a partition the next free code, or the one that it has.
_ASSIGN = """
local code = redis.call('HGET', KEYS[1], ARGV[1])
if code then return code end
local free = redis.call('HLEN', KEYS[1])
redis.call('HSET', KEYS[1], ARGV[1], free)
return tostring(free)
"""


class Registry:
    """The key and the partitions, each asked for once and remembered."""

    def __init__(self, scripts: Scripts, settings: LibrarySettings) -> None:
        self._scripts = scripts
        self._settings = settings
        self._assign = scripts.client.register_script(_ASSIGN)
        self._key: bytes | None = None
        self._partitions: dict[str, Partition] = {}
        self._lock = threading.Lock()

    @property
    def key(self) -> bytes:
        """The key of all ids. Raises SettingsError where this process's differs from the installation's."""
        if self._key is None:
            with self._lock:
                self._key = self._agreed_key()
        return self._key

    def agree(self) -> None:
        """Compare this process's key with the installation's. Raises SettingsError where they differ."""
        self._agreed_key()

    def _agreed_key(self) -> bytes:
        client, guarded = self._scripts.client, self._scripts.guarded
        key = self._settings.secret_key
        if key is None:
            guarded(lambda: client.set(KEY, secrets.token_hex(32).encode(), nx=True))
            key = guarded(lambda: client.get(KEY))
        mark = fingerprint(key).encode()
        guarded(lambda: client.set(FINGERPRINT, mark, nx=True))
        if guarded(lambda: client.get(FINGERPRINT)) != mark:
            raise SettingsError(
                "CMQUEUE_SECRET_KEY",
                "differs from the key of the messages in this Redis; give every process the same",
            )
        return key

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
