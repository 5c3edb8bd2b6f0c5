"""What can't be read, and why. The reason holds nothing of the content."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """The reasons, as log lines and the stream of the unreadable print them."""

    UNKNOWN_ENTRY = "of a kind or a form that is not known"
    NOT_JSON = "no JSON"
    NOT_XML = "no XML, or XML with a document type or entities"
    NOT_A_QUERY = "no query string"
    TOO_DEEP = "nested too deeply"
    NOT_AN_OBJECT = "an object is missing where CM writes one"
    NO_REPORT = "no report in it"
    NO_STATUS = "a report without a status code that is a number"
    EMPTY = "neither sender nor message"
    FAILED = "reading or acting on it failed: a bug of ours"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A body, or a part of one, that nothing can be made of."""

    why: Why
