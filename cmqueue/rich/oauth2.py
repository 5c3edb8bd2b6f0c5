"""Authentication with somebody else's OAuth 2.0, on Apple Messages for Business."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

from pydantic import model_validator

from cmqueue.errors import InvalidMessage
from cmqueue.rich.item import Item
from cmqueue.rich.part import Members
from cmqueue.rich.value import Characters

Line = Annotated[str, Characters()]


class OAuth2(Item):
    """A request to log in. The fields are those of CM's JavaScript client; CM's pages don't show them.

    `client_secret` lies in Redis with the rest of the message until that is sent.
    """

    known_by: ClassVar[str] = "oauth2"
    within: ClassVar[tuple[str, ...]] = ("oauth2",)

    response_type: Line | None = None
    scope: Annotated[Sequence[str], Members()] = ()
    state: Line | None = None
    response_encryption_key: Line | None = None
    client_secret: Line | None = None

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if not self.document()["oauth2"]:
            raise InvalidMessage("response_type", "is missing, and so is all else", "at least one field")
        return self
