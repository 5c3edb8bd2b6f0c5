"""The gate of a partition: what a batch says of the endpoint, and when nothing is claimed for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Endpoint(NamedTuple):
    """What the endpoint did with a batch: `answered`, `silent`, `stopped` or `unposted`; and why."""

    did: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """When the brake closes and how probes are spaced, in seconds."""

    brake_after: int = 3
    brake_first: float = 1.0
    brake_last: float = 30.0
    probe_first: float = 5.0
    probe_last: float = 60.0
    dead_retention: float = 7 * 24 * 3600.0
