"""The Lua scripts: each is `scripts/common.lua` followed by its own file, run atomically in Redis."""

from __future__ import annotations

from functools import cache
from importlib import resources

#: The fixed keys that each script may touch, without their prefix; keys built from data carry the same tag.
_CONTENT = ("contents", "content_refs")
KEYS = {
    "enqueue": ("counts", "buckets", "due", "jobs", *_CONTENT),
    "broadcast": ("counts", "buckets"),
    "claim": (
        *("counts", "events", "leases", "gate", "doubt", "jobs", "pauses", "pulse", "withdrawn"),
        "rolled_back",
        *_CONTENT,
    ),
    "slow": ("counts", "gate"),
    "forget": (
        *("counts", "events", "leases", "due", "doubt", "kept", "jobs", "sent", "sent_until", "withdrawn"),
        *_CONTENT,
    ),
    "resend": ("counts", "buckets", "due", "jobs", "sent", "sent_until", *_CONTENT),
    "suppress": ("counts", "suppressed"),
    "mark": (
        *("counts", "events", "leases", "gate", "doubt", "jobs", "withdrawn", "rolled_back", "suppressed"),
        *_CONTENT,
    ),
    "split": ("counts", "leases", "gate"),
    "settle": (
        *("counts", "events", "leases", "gate", "doubt", "due", "kept", "jobs", "withdrawn", "pauses"),
        *("poison", "rolled_back", "sent", "sent_until", *_CONTENT),
    ),
    "prove": ("counts", "events", "due", "doubt", "kept", "jobs", "withdrawn", *_CONTENT),
    "report": (
        *("counts", "events", "leases", "due", "doubt", "kept", "jobs", "withdrawn"),
        *("sent", "sent_until", *_CONTENT),
    ),
    "sweep": (
        *("counts", "events", "leases", "gate", "doubt", "due", "kept", "jobs", "withdrawn", "pauses"),
        *("pulse", "rolled_back", "sent", "sent_until", *_CONTENT),
    ),
    "lost": ("leases",),
    "expire": ("counts", "events", "doubt", "jobs", "withdrawn"),
    "cancel": ("counts", "events", "leases", "due", "jobs", "withdrawn", *_CONTENT),
    "status": ("counts", "leases", "due", "doubt", "kept", "gate", "pauses", "rolled_back"),
    "states": ("counts", "leases"),
    "redrive": ("counts", "kept", "jobs"),
    "drop": ("counts", "buckets"),
    "survey": ("counts", "buckets", "leases", "due", "doubt", "kept", "jobs", "withdrawn"),
}


@cache
def source(name: str) -> str:
    """The whole text of the script `name`."""
    folder = resources.files("cmqueue") / "scripts"
    return (folder / "common.lua").read_text() + "\n" + (folder / f"{name}.lua").read_text()
