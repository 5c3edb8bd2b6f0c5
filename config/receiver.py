"""The receiver's settings: which secrets CM's webhooks carry, from where they come, and how it listens."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self, TypeAlias

from cmqueue.errors import SettingsError
from cmqueue.settings import seconds, setting, text, whole
from config.program import ProgramSettings, plain_setting

MOST_SECRETS = 2  #: while one takes the other's place

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_SECRET = re.compile(r"[A-Za-z0-9_.~-]{20,128}")
_RULE_SECRET = "must be one or two secrets, comma-separated, each of 20 to 128 letters, digits and - _ . ~"  # noqa: S105  # a sentence
_BASIC = re.compile(r"[!-9;-~]+:[!-~]{8,}")


def secrets(value: str) -> tuple[str, ...]:
    """The secrets that are valid now. No message shows what was given."""
    found = tuple(one.strip() for one in value.split(","))
    if len(found) > MOST_SECRETS or not all(_SECRET.fullmatch(one) for one in found):
        raise ValueError(_RULE_SECRET)
    return found


def networks(value: str) -> tuple[Network, ...]:
    rule = "must be addresses or networks of IPv4 or IPv6, comma-separated, such as 192.0.2.0/24"
    try:
        found = tuple(ipaddress.ip_network(one) for one in re.split(r"[,\s]+", value) if one)
    except ValueError:
        raise ValueError(rule) from None
    if not found:
        raise ValueError(rule)
    return found


def user_and_password(value: str) -> str:
    if not _BASIC.fullmatch(value):
        raise ValueError(
            "must be user:password, visible ASCII without a space, the password of 8 characters or more"
        )
    return value


@dataclass(frozen=True, kw_only=True)
class ReceiverSettings(ProgramSettings):
    """What the receiver of CM's webhooks reads; it needs no product token. Raises SettingsError."""

    host: str = plain_setting("HOST", "127.0.0.1", text, "The address to listen on; loopback by default.")
    port: int = plain_setting("PORT", "8030", whole(0, 65535), "The port to listen on; 0 takes a free one.")
    receiver_secrets: tuple[str, ...] | None = setting(
        "RECEIVER_SECRET",
        None,
        secrets,
        "The secret at the end of each webhook's URL; two while one takes the other's place. "
        "See docs/ways-back/webhooks.md.",
        secret=True,
    )
    receiver_sources: tuple[Network, ...] | None = setting(
        "RECEIVER_SOURCES",
        None,
        networks,
        "From where webhooks may come; from anywhere when unset. Others are refused with 403.",
    )
    receiver_proxies: int = setting(
        "RECEIVER_PROXIES",
        "0",
        whole(0, 10),
        "How many proxies of yours stand before the receiver: so many entries of `X-Forwarded-For`, counted "
        "from its end, are believed. With 0 the header is ignored.",
    )
    receiver_basic: str | None = setting(
        "RECEIVER_BASIC",
        None,
        user_and_password,
        "User and password that webhooks must give by basic authentication, beside the secret.",
        secret=True,
    )
    receiver_bytes: int = setting(
        "RECEIVER_BYTES",
        str(1 << 18),
        whole(1024, 64 << 20),
        "Most bytes of one webhook's body; a longer one is refused with 413.",
    )
    receiver_per_second: int = setting(
        "RECEIVER_PER_SECOND",
        "5000",
        whole(1, 1_000_000),
        "Most webhooks that one process takes in a second; a further one is told 503, and CM tries it again.",
    )
    receiver_connections: int = setting(
        "RECEIVER_CONNECTIONS",
        "800",
        whole(1, 100_000),
        "Most connections at once; a further one is told 503 and closed. "
        "Fewer than the files that the process may open.",
    )
    receiver_seconds: float = setting(
        "RECEIVER_SECONDS",
        "10",
        seconds(0.1, 600),
        "Seconds for a webhook's head to arrive, and again for its body; a slower one is refused with 408.",
    )
    receiver_guess_seconds: float = setting(
        "RECEIVER_GUESS_SECONDS",
        "5",
        seconds(0, 60),
        "Longest wait before a wrong secret is answered, once a peer has sent several; 0 never waits.",
    )

    def demand_secret(self) -> Self:
        """These settings, if anybody can be let in. Raises SettingsError without a secret."""
        if not self.receiver_secrets:
            raise SettingsError("CMQUEUE_RECEIVER_SECRET", f"is missing; it {_RULE_SECRET}")
        return self
