"""The keyring: the secret key that names messages, those it replaced, and how the one replaces the other.

`CMQUEUE_SECRET_KEY` holds keys, the newest first: the first names new messages, the others are only read. In
it the word `generated` stands for the key that was generated and lies in Redis, which is also what an unset
variable means. Redis keeps the fingerprint of the key in force, and behind it those of the keys it replaced,
each with the time: `1f…c0 88…3b@1795356000`. All of it is one string, changed by one script.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

from cmqueue.connection import Scripts
from cmqueue.errors import SettingsError
from cmqueue.identity import fingerprint
from cmqueue.log import log
from cmqueue.partition import ROOT
from cmqueue.row import iso
from cmqueue.settings import GENERATED, LibrarySettings

KEY = ROOT + "key"
FINGERPRINT = ROOT + "fingerprint"
SUPPRESSION = ROOT + "suppression_key"
VARIABLE = "CMQUEUE_SECRET_KEY"

# Returns KEYS[1], which is ARGV[1] from now on where it was nothing. Begins to write with what can't grow, so
# that a full Redis lets it go on (see `begin_though_full` in scripts/common.lua): it has to be emptied.
_ONCE = """
local kept = redis.call('GET', KEYS[1])
if kept then return kept end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
"""

# Puts the first of the fingerprints ARGV in force where none is, or where another of them is; but
# never one that was replaced before: whoever still begins with it is behind.
# Returns {what Redis keeps now, the fingerprint that was replaced or ""}
_AGREE = """
local kept = redis.call('GET', KEYS[1])
if not kept then
  redis.call('SET', KEYS[1], ARGV[1])
  return {ARGV[1], ''}
end
local current, retired = string.match(kept, '^(%w+)(.*)$')
if ARGV[1] == current or string.find(retired, ' ' .. ARGV[1] .. '@', 1, true) then return {kept, ''} end
for n = 2, #ARGV do
  if ARGV[n] == current then
    kept = ARGV[1] .. ' ' .. current .. '@' .. redis.call('TIME')[1] .. retired
    redis.call('SET', KEYS[1], kept)
    return {kept, current}
  end
end
return {kept, ''}
"""

# Writes a key back that is lost, also into a full Redis (see `begin_though_full` in scripts/common.lua).
_RESTORE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1])
"""


class Marks(NamedTuple):
    """The fingerprints: of the key in force, and of those it replaced, with when (seconds since 1970)."""

    current: str
    retired: dict[str, int]

    @classmethod
    def parse(cls, kept: bytes) -> Marks:
        current, *old = kept.decode().split()
        return cls(current, {mark: int(at) for mark, _, at in (one.partition("@") for one in old)})


class Keyring:
    """The keys that one process holds, and what the installation has agreed on."""

    def __init__(self, scripts: Scripts, settings: LibrarySettings) -> None:
        self._scripts = scripts
        self._names = settings.secret_keys or (GENERATED,)
        self._agree = scripts.client.register_script(_AGREE)
        self.kept: dict[str, bytes] = {}  #: what was agreed on, as Redis keeps it
        self._suppression: bytes | None = None
        self._mark = ""  # the fingerprint of the key that this process names with
        self._contested = False

    @property
    def is_generated(self) -> bool:
        """Whether messages are named with the key that lies in Redis."""
        return self._names[0] == GENERATED

    def marks(self) -> Marks | None:
        """What the installation has agreed on; None before its first message."""
        client = self._scripts.client
        kept = self._scripts.guarded(lambda: client.get(FINGERPRINT))
        return None if kept is None else Marks.parse(kept)

    def keys(self) -> list[bytes | None]:
        """The keys as they stand in the variable; None for a generated one that is not there (any more)."""
        kept: bytes | None = None
        if GENERATED in self._names:
            client = self._scripts.client
            kept = self._scripts.guarded(lambda: client.get(KEY))
        return [kept if name == GENERATED else name for name in self._names]

    def suppression(self) -> bytes:
        """The key of the suppression lists: made once, kept in Redis beside them, and never rotated.

        An opt-out must be found whatever key names messages by then.
        """
        if self._suppression is None:
            client, made = self._scripts.client, secrets.token_hex(32).encode()
            self._suppression = self._scripts.guarded(lambda: client.eval(_ONCE, 1, SUPPRESSION, made))
        return self._suppression

    def agree(self) -> tuple[bytes, ...]:
        """The keys to work with, the one in force first, if need be from now on.

        A key that was replaced stays so: who begins with it works with the one in force, if it has that too.
        Raises SettingsError where it has not, and its first can't replace it.
        """
        if self.is_generated and self.marks() is None:
            client = self._scripts.client
            self._scripts.guarded(lambda: client.set(KEY, secrets.token_hex(32).encode(), nx=True))
        first, *others = self.keys()
        if first is None:
            raise SettingsError(VARIABLE, "is not set, and this installation's key is not kept in Redis")
        keys = tuple(dict.fromkeys([first, *(key for key in others if key is not None)]))
        marks = [fingerprint(key) for key in keys]
        kept, replaced = self._scripts.guarded(lambda: self._agree(keys=[FINGERPRINT], args=marks))
        agreed = Marks.parse(kept)
        if agreed.current not in marks:
            raise SettingsError(VARIABLE, _refusal(agreed.retired.get(marks[0])))
        if replaced:
            log.warning("key.rotated", current=marks[0], retired=replaced.decode())
        in_force = keys[marks.index(agreed.current)]
        self._mark = agreed.current
        generated = dict(zip(self._names, [first, *others], strict=True)).get(GENERATED)
        self.kept = ({KEY: generated} if generated else {}) | {FINGERPRINT: kept}
        return (in_force, *(key for key in keys if key != in_force))

    def restore(self, execute: Callable[..., Any]) -> int:
        """Write back what Redis has lost of what was agreed, by `execute`; how many keys that were.

        Where Redis, without them, has agreed on another key meanwhile, that is told of, once.
        """
        lost = [name for name in self.kept if execute("GET", name) is None]
        for name in lost:  # the key before its fingerprint: whoever finds no fingerprint makes a key
            execute("EVAL", _RESTORE, 1, name, self.kept[name])
        if self._suppression is not None:
            found = execute("GET", SUPPRESSION)
            if found is None:
                execute("EVAL", _RESTORE, 1, SUPPRESSION, self._suppression)
            else:  # where another was made meanwhile the lists are new, too
                self._suppression = found
        agreed = None if self._contested or not self.kept else execute("GET", FINGERPRINT)
        if agreed is not None:
            marks = Marks.parse(agreed)
            self._contested = self._mark not in (marks.current, *marks.retired)
            if self._contested:
                do = "restart this process"
                log.critical("key.contested", current=marks.current, here=self._mark, do=do)
        return len(lost)


def _refusal(retired_at: int | None) -> str:
    if retired_at is None:
        return "differs from the key of the messages in this Redis; give every process the same"
    return f"begins with a key that was replaced at {iso(retired_at)}; put the new one before it and a comma"
