"""A request that is not taken: why, in words and an HTTP status, for each program to say in its own shape."""

from __future__ import annotations


class TurnedDown(Exception):
    """The request as a whole is refused, and nothing came of it.

    `details` holds nothing that the caller wrote, so that it may be logged. `retry_after` is in seconds.
    Where it `closes`, the request can be read in two ways, as in smuggling: the connection is not used again.
    """

    def __init__(
        self, status: int, details: str, *, retry_after: int | None = None, closes: bool = False
    ) -> None:
        super().__init__(details)
        self.status = status
        self.details = details
        self.retry_after = retry_after
        self.closes = closes

    def headers(self) -> dict[str, str]:
        """What the answer's head says of it."""
        found = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.closes:
            found["Connection"] = "close"
        return found
