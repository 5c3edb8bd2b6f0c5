"""The worker's settings: what every program reads, and what it takes to deliver."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from cmqueue.errors import SettingsError
from cmqueue.lane import Lane
from cmqueue.settings import DAY, DEFAULT_ACCOUNT, seconds, setting, text, whole
from config.program import ProgramSettings

SPARE_LEASE = 2.0

_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
ALIAS = re.compile(r"[A-Za-z0-9_-]{1,32}")  #: of an account
_RULE_GUID = "must be a GUID with its hyphens, as the Channels app shows it"


def token(value: str) -> str:
    if not _GUID.fullmatch(value):
        raise ValueError(_RULE_GUID)
    return value


def several_accounts(value: str) -> dict[str, str]:
    """A JSON object of alias to token. No message shows what was given: tokens stand in it."""
    try:
        given = json.loads(value)
    except ValueError:
        raise ValueError("must be a JSON object of alias to product token") from None
    if not isinstance(given, dict) or not given:
        raise ValueError("must be a JSON object of alias to product token, with at least one")
    for alias, kept in given.items():
        if not ALIAS.fullmatch(alias):
            raise ValueError("each alias must be 1 to 32 letters, digits, hyphens or underscores")
        if not isinstance(kept, str) or not _GUID.fullmatch(kept):
            raise ValueError(f"the token of {alias!r} {_RULE_GUID}")
    return given


def schedule(value: str) -> tuple[float, ...]:
    rule = "must be seconds, comma-separated, each from 1 to 86400, 32 at most"
    try:
        steps = tuple(float(step) for step in value.split(","))
    except ValueError:
        raise ValueError(rule) from None
    if not 1 <= len(steps) <= 32 or not all(1 <= step <= DAY for step in steps):
        raise ValueError(rule)
    return steps


def prefixes(value: str) -> tuple[str, ...]:
    """Numbers or the beginnings of them, in CM's form; `+` becomes `00`."""
    found = tuple(
        "00" + item[1:] if item.startswith("+") else item for item in re.split(r"[,\s]+", value) if item
    )
    if not all(re.fullmatch(r"00[0-9]{1,15}", item) for item in found):
        raise ValueError(
            "must be numbers or prefixes of numbers, comma-separated, each beginning with + or 00"
        )
    return found


def lanes(value: str) -> frozenset[Lane]:
    """Names of lanes, comma-separated."""
    names = [name.strip() for name in value.split(",")]
    if not set(names) <= set(Lane):
        raise ValueError(f"must be lanes, comma-separated, of {', '.join(Lane)}")
    return frozenset(map(Lane, names))


def switch(value: str) -> bool:
    if value not in ("0", "1"):
        raise ValueError("must be 0 or 1")
    return value == "1"


@dataclass(frozen=True, kw_only=True)
class WorkerSettings(ProgramSettings):
    """What the worker reads. Raises SettingsError, naming the variable, if one is wrong or two disagree."""

    product_token: str | None = setting(
        "PRODUCT_TOKEN",
        None,
        token,
        "CM's product token, a GUID with hyphens, of the account `default`.",
        secret=True,
    )
    accounts: Mapping[str, str] = setting(
        "ACCOUNTS",
        None,
        several_accounts,
        "A JSON object of alias to product token, for several accounts.",
        secret=True,
    )
    endpoint: str = setting(
        "ENDPOINT",
        "global",
        text,
        "`global` (through Cloudflare, which is then a sub-processor), `alternative` (without it), "
        "or a URL: https, or http to loopback.",
    )
    body_token: bool = setting(
        "BODY_TOKEN",
        "0",
        switch,
        "1 sends the token in the body too, as CM's deprecated authentication does.",
    )
    batch_size: int = setting(
        "BATCH_SIZE", "1000", whole(1, 1000), "Most messages in one request; CM takes 1000."
    )
    batch_bytes: int = setting(
        "BATCH_BYTES", str(1 << 20), whole(1024, 64 << 20), "Most bytes of one request's body."
    )
    lease_seconds: float = setting(
        "LEASE_SECONDS",
        "60",
        seconds(1, 3600),
        "How long a claimed batch belongs to its worker. More than both timeouts and 2 s.",
    )
    connect_timeout: float = setting(
        "CONNECT_TIMEOUT", "5", seconds(0.1, 300), "Seconds for a connection to CM to come about."
    )
    read_timeout: float = setting(
        "READ_TIMEOUT", "30", seconds(0.1, 600), "Seconds for the whole answer, from the first byte sent."
    )
    idle_seconds: float = setting(
        "IDLE_SECONDS", "15", seconds(0, 3600), "A connection idle for longer is closed, not used again."
    )
    max_attempts: int = setting(
        "MAX_ATTEMPTS",
        "8",
        whole(1, 200),
        "Attempts that CM refused for a passing cause before a message is dead.",
    )
    retry_schedule: tuple[float, ...] = setting(
        "RETRY_SCHEDULE",
        "5,30,120,600,1800,3600,7200",
        schedule,
        "Seconds before each retry, spread by 20 %; the last one repeats.",
    )
    overload_floor: float = setting(
        "OVERLOAD_FLOOR", "5", seconds(0.1, 3600), "Least wait after a refusal that named none, in seconds."
    )
    reconcile_seconds: float = setting(
        "RECONCILE_SECONDS",
        "120",
        seconds(0.1, 7 * DAY),
        "How long an ambiguous message waits for a receipt.",
    )
    max_resends: int = setting(
        "MAX_RESENDS",
        "3",
        whole(0, 100),
        "Resends of an ambiguous message at `at_least_once`, before it is unknown.",
    )
    max_ambiguous: int = setting(
        "MAX_AMBIGUOUS",
        "10000",
        whole(1, 10_000_000),
        "Most messages of a partition in doubt or in flight at once; nothing more is claimed above it.",
    )
    probe_seconds: float = setting(
        "PROBE_SECONDS",
        "5",
        seconds(0.1, 3600),
        "First wait between probes of a stopped account; doubles to 60.",
    )
    dead_retention_seconds: int = setting(
        "DEAD_RETENTION_SECONDS",
        str(7 * DAY),
        whole(60, 365 * DAY),
        "How long number and content of a dead or unknown message are kept for a redrive. "
        "Not longer than its row, `CMQUEUE_RETENTION_SECONDS`.",
    )
    only_to: tuple[str, ...] | None = setting(
        "ONLY_TO",
        None,
        prefixes,
        "For staging: only these numbers or prefixes are sent to; every other message ends suppressed.",
        secret=True,
    )
    suppression_exempt: frozenset[Lane] | None = setting(
        "SUPPRESSION_EXEMPT",
        None,
        lanes,
        "Lanes, comma-separated, whose messages go to numbers on the suppression list too: `urgent`, say, "
        "for codes that their owner asks for. None when unset.",
    )
    resend_failed: frozenset[Lane] | None = setting(
        "RESEND_FAILED",
        None,
        lanes,
        "Lanes, comma-separated, whose messages are sent anew, as new messages linked to the old ones, where "
        "CM reports a failure that may pass: until they expire, CMQUEUE_MAX_RESENDS times at most. Their "
        "numbers and contents are kept until the final status report. None when unset.",
    )
    tokens: Mapping[str, str] = field(
        default_factory=dict, init=False, repr=False, metadata={"derived": True}
    )

    def __post_init__(self) -> None:
        held = self.connect_timeout + self.read_timeout + SPARE_LEASE
        if self.lease_seconds <= held:
            raise SettingsError(
                "CMQUEUE_LEASE_SECONDS",
                f"{self.lease_seconds:g} must exceed CMQUEUE_CONNECT_TIMEOUT + CMQUEUE_READ_TIMEOUT + 2, "
                f"{held:g}, or a batch could be posted twice",
            )
        if self.dead_retention_seconds > self.retention_seconds:
            raise SettingsError(
                "CMQUEUE_DEAD_RETENTION_SECONDS",
                f"{self.dead_retention_seconds} must not exceed CMQUEUE_RETENTION_SECONDS, "
                f"{self.retention_seconds}, or dead messages could not be redriven for so long",
            )
        tokens = dict(self.accounts or {})
        if self.product_token is not None:
            if tokens.get(DEFAULT_ACCOUNT, self.product_token) != self.product_token:
                raise SettingsError(
                    "CMQUEUE_PRODUCT_TOKEN",
                    "differs from the token of `default` in CMQUEUE_ACCOUNTS; set one of them",
                )
            tokens[DEFAULT_ACCOUNT] = self.product_token
        object.__setattr__(self, "tokens", tokens)

    def demand_tokens(self) -> Self:
        """These settings, if a worker can deliver with them. Raises SettingsError without any token."""
        if not self.tokens:
            raise SettingsError(
                "CMQUEUE_PRODUCT_TOKEN", f"is missing; it {_RULE_GUID} (or set CMQUEUE_ACCOUNTS for several)"
            )
        return self

    def resend_after(self) -> dict[Lane, float]:
        """How long doubt lasts before a resend, by lane."""
        return {
            lane: self.reconcile_seconds
            if lane.rules.resend_after is None
            else min(lane.rules.resend_after, self.reconcile_seconds)
            for lane in Lane
        }
