"""What a seed draws before its world begins: the settings, and which faults there are and how many.

Each kind is left out of half the seeds, so that the others meet in every combination undisturbed.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from simulated_cm import WEATHER

from config.settings import WorkerSettings

TOKEN = "11111111-1111-1111-1111-111111111111"
REDIS_KINDS = ("refused", "cut_before", "cut_after", "late_reply", "late_run")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How much of each fault a seed has; rates are per passage of a fail-point or per command."""

    workers: int
    threads: int
    crash: float
    stall: float
    raised: float
    frozen: float  #: whole processes, for up to 2.5 leases
    terminated: float
    redis: dict[str, float]
    redis_away: bool
    redis_frozen: bool
    weather: list[str]
    wakeups_lost: float
    receipts: bool
    cancels: bool
    killer: bool  #: a message that kills its worker before it is posted
    culprit: bool  #: a message for which CM refuses the whole request
    stranger: bool  #: a message of an account that no worker holds a token for


def settings(server_url: str, chance: Random) -> WorkerSettings:
    """Windows short enough for a run of minutes; a batch is small, so that there are many."""
    return WorkerSettings.from_env(
        {
            "CMQUEUE_REDIS_URL": server_url,
            "CMQUEUE_SECRET_KEY": "no secret at all",
            "CMQUEUE_PRODUCT_TOKEN": TOKEN,
            "CMQUEUE_CONNECT_TIMEOUT": "1",
            "CMQUEUE_READ_TIMEOUT": "3",
            "CMQUEUE_LEASE_SECONDS": "7",
            "CMQUEUE_RECONCILE_SECONDS": "12",
            "CMQUEUE_RETRY_SCHEDULE": "1,2,4",
            "CMQUEUE_MAX_ATTEMPTS": chance.choice(("2", "5")),
            "CMQUEUE_MAX_RESENDS": chance.choice(("1", "3")),
            "CMQUEUE_OVERLOAD_FLOOR": "2",
            "CMQUEUE_PROBE_SECONDS": "1",
            "CMQUEUE_BATCH_SIZE": chance.choice(("3", "10", "1000")),
            "CMQUEUE_BATCH_BYTES": chance.choice(("1024", "1048576")),
            "CMQUEUE_MAX_AMBIGUOUS": chance.choice(("15", "10000")),
        }
    )


def profile(chance: Random) -> Profile:
    """Draw one. Every seed has some weather."""

    def rate(most: float) -> float:
        return round(chance.uniform(0, most), 4) if chance.random() < 0.5 else 0.0

    kinds = [kind for kind in WEATHER if chance.random() < 0.4]
    return Profile(
        workers=chance.randint(1, 3),
        threads=chance.randint(1, 3),
        crash=rate(0.05),
        stall=rate(0.05),
        raised=rate(0.03),
        frozen=rate(0.4),
        terminated=rate(0.3),
        redis={kind: rate(0.04) for kind in REDIS_KINDS},
        redis_away=chance.random() < 0.4,
        redis_frozen=chance.random() < 0.4,
        weather=["calm", "mixed", *kinds],
        wakeups_lost=rate(0.6),
        receipts=chance.random() < 0.3,
        cancels=chance.random() < 0.4,
        killer=chance.random() < 0.1,
        culprit=chance.random() < 0.1,
        stranger=chance.random() < 0.2,
    )
