"""The intake's settings: the worker's, for the accounts, and where, for whom and how it listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from cmqueue.errors import SettingsError
from cmqueue.settings import seconds, setting, text, whole
from config.clients import Client, several_clients
from config.program import plain_setting
from config.settings import WorkerSettings


@dataclass(frozen=True, kw_only=True)
class IntakeSettings(WorkerSettings):
    """What the HTTP intake reads. Raises SettingsError, naming the variable."""

    host: str = plain_setting("HOST", "127.0.0.1", text, "The address to listen on; loopback by default.")
    port: int = plain_setting("PORT", "8010", whole(0, 65535), "The port to listen on; 0 takes a free one.")
    clients: tuple[Client, ...] | None = setting(
        "CLIENT_TOKENS",
        None,
        several_clients,
        "Who may use the intake: a JSON object of client name to a token of its own, or to an object with "
        "`token` (two in a list while it changes), `account`, `lane`, `lanes`, `senders`, `per_second`. "
        "Without it the accounts' own tokens are accepted. See docs/ways-in/http-api.md.",
        secret=True,
    )
    intake_bytes: int = setting(
        "INTAKE_BYTES",
        str(4 << 20),
        whole(1024, 64 << 20),
        "Most bytes of one request's body; a longer one is refused with 413.",
    )
    intake_seconds: float = setting(
        "INTAKE_SECONDS",
        "10",
        seconds(0.1, 600),
        "Seconds for a request's head to arrive, and again for its body; a slower one is refused with 408.",
    )
    intake_connections: int = setting(
        "INTAKE_CONNECTIONS",
        "800",
        whole(1, 100_000),
        "Most connections at once; a further one is told 503 and closed. "
        "Fewer than the files that the process may open.",
    )
    guess_seconds: float = setting(
        "INTAKE_GUESS_SECONDS",
        "5",
        seconds(0, 60),
        "Longest wait before a wrong token is answered, once a peer has sent several; 0 never waits.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        owners = {token.lower(): alias for alias, token in self.tokens.items()}
        for client in self.clients or ():
            if self.tokens and client.account not in self.tokens:
                raise SettingsError(
                    "CMQUEUE_CLIENT_TOKENS", f"account of {client.name!r} is none of {', '.join(self.tokens)}"
                )
            if any(token.lower() in owners for token in client.tokens):
                raise SettingsError(
                    "CMQUEUE_CLIENT_TOKENS",
                    f"{client.name!r} has CM's own product token; give it one of its own",
                )

    def demand_tokens(self) -> Self:
        """These settings, if anybody can use the intake. Its clients' tokens will do, without any of CM's."""
        return self if self.clients else super().demand_tokens()
