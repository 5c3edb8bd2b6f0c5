"""An event as it waits in Redis for a handler or an endpoint.

Format 1: a "1", then JSON of all fields of the event that are not as by default. Readers leave out what they
do not know, so a field may be added.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from cmqueue.events.event import Event
from cmqueue.job import UnknownFormat
from cmqueue.lane import Lane
from cmqueue.state import State

FORMAT = b"1"


def pack(event: Event) -> bytes:
    """The event's bytes: format, then JSON of all that is not as by default."""
    told = ((name, getattr(event, name)) for name in _FIELDS)
    kept = {name: value for name, value in told if value is not None and value != _DEFAULTS.get(name)}
    return FORMAT + json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()


def unpack(packed: bytes) -> Event:
    """Raises UnknownFormat for another format's bytes."""
    if packed[:1] != FORMAT:
        raise UnknownFormat(f"call format {packed[:1]!r}")
    kept = json.loads(packed[1:])
    for name, kind in (("before", State), ("state", State), ("lane", Lane)):
        if name in kept:
            kept[name] = kind(kept[name])
    return Event(**{name: value for name, value in kept.items() if name in _FIELDS})


_FIELDS = tuple(field.name for field in fields(Event))
#: Beside None. Not of metadata, which may be anything.
_DEFAULTS: dict[str, Any] = {"code": 0, "data": {}}
