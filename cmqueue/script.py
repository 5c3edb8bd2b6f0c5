"""The Lua scripts: each is `scripts/common.lua` followed by its own file, run atomically in Redis."""

from __future__ import annotations

from functools import cache
from importlib import resources

#: The fixed keys that each script may touch, without their prefix; keys built from popped data carry the same tag.
KEYS = {
    "enqueue": ("counts", "buckets", "due", "jobs", "contents", "content_refs"),
    "claim": ("counts", "leases", "gate", "doubt", "pauses", "pulse", "withdrawn", "contents", "content_refs"),
    "mark": ("counts", "leases", "withdrawn", "contents", "content_refs"),
    "settle": (
        "counts", "leases", "gate", "doubt", "due", "kept", "jobs", "withdrawn", "pauses", "contents", "content_refs",
    ),
    "prove": ("counts", "due", "doubt", "kept", "jobs", "withdrawn", "contents", "content_refs"),
    "sweep": (
        "counts", "leases", "gate", "doubt", "due", "kept", "jobs", "withdrawn", "pauses", "pulse", "contents",
        "content_refs",
    ),
    "lost": ("leases",),
    "expire": ("counts", "withdrawn"),
    "cancel": ("counts", "leases", "due", "jobs", "withdrawn", "contents", "content_refs"),
    "status": ("counts", "leases", "due", "doubt", "kept", "gate", "pauses"),
    "redrive": ("counts", "kept", "jobs"),
    "drop": ("counts", "buckets"),
    "survey": ("counts", "buckets", "leases", "due", "doubt", "kept", "jobs", "withdrawn"),
}  # fmt: skip


@cache
def source(name: str) -> str:
    """The whole text of the script `name`."""
    folder = resources.files("cmqueue") / "scripts"
    return (folder / "common.lua").read_text() + "\n" + (folder / f"{name}.lua").read_text()
