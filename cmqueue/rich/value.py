"""The values in rich content, each with the rule that a refusal tells.

A rule stands beside the type of a field: `label: Annotated[str, Characters(25)]`. It takes the value, or
raises Problem; the field adds its name.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from cmqueue.content import Problem, plain

LENIENT = "lenient"  #: the context of a validation that lets pass what this release does not know yet

_NUMERIC = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]{1,20})?")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\x00-\x1f\x7f]+", re.IGNORECASE)
_WEB = re.compile(r"https?://.+", re.IGNORECASE)
_DIALLED = re.compile(r"[0-9+*#]+")


class Rule:
    """What a value must be. `rule` says it in words."""

    @property
    def rule(self) -> str:
        raise NotImplementedError

    def check(self, value: Any) -> Any:
        """`value` as it is kept; raises Problem."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)


@dataclass(frozen=True, slots=True)
class Characters(Rule):
    """Text of at least one character and, where CM or the channel names a limit, at most `most`."""

    most: int | None = None

    @property
    def rule(self) -> str:
        return "text, not empty" if self.most is None else f"text of 1 to {self.most} characters"

    def check(self, value: Any) -> str:
        text = _text(value)
        if not text:
            raise Problem("is empty")
        if self.most is not None and len(text) > self.most:
            raise Problem(f"is {len(text)} characters long")
        return text


@dataclass(frozen=True, slots=True)
class Form(Rule):
    """Text of one form, given as a regular expression and in words."""

    pattern: str
    words: str

    @property
    def rule(self) -> str:
        return self.words

    def check(self, value: Any) -> str:
        text = _text(value)
        if not re.fullmatch(self.pattern, text):
            raise Problem("has another form")
        return text


class Choice(Rule):
    """One of a few words, in any case; kept as CM writes it."""

    def __init__(self, *words: str) -> None:
        self._words = {word.lower(): word for word in words}

    @property
    def rule(self) -> str:
        return " or ".join(self._words.values())

    def check(self, value: Any) -> str:
        word = self._words.get(_text(value).lower())
        if word is None:
            raise Problem("is none of the known values")
        return word

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._check)

    def _check(self, value: Any, info: ValidationInfo) -> str:
        if info.context == LENIENT and _text(value).lower() not in self._words:
            return _text(value)
        return self.check(value)


class Url(Rule):
    """An address with its scheme; where `web`, one that CM can fetch a file from."""

    def __init__(self, *, web: bool = False) -> None:
        self._web = web

    @property
    def rule(self) -> str:
        return "a URL with " + ("http:// or https://" if self._web else "its scheme") + ", without spaces"

    def check(self, value: Any) -> str:
        text = _text(value)
        if not text:
            raise Problem("is empty")
        if not _URL.fullmatch(text):
            raise Problem("is no URL")
        if self._web and not _WEB.fullmatch(text):
            raise Problem("is no URL of the web")
        return text


class Dialled(Rule):
    """What a phone dials."""

    @property
    def rule(self) -> str:
        return "digits, +, * and #"

    def check(self, value: Any) -> str:
        text = _text(value)
        if not text:
            raise Problem("is empty")
        if not _DIALLED.fullmatch(text):
            raise Problem("has a character that cannot be dialled")
        return text


@dataclass(frozen=True, slots=True)
class Degrees(Rule):
    """A latitude or longitude; CM's own clients send numbers (JavaScript) and text (PHP, .NET): both pass."""

    most: int

    @property
    def rule(self) -> str:
        return f"degrees from -{self.most} to {self.most}, as a number or as text"

    def check(self, value: Any) -> float | int | str:
        if isinstance(value, str) and not _NUMERIC.fullmatch(value):
            raise Problem("is not a number")
        if abs(_number(float(value) if isinstance(value, str) else value)) > self.most:
            raise Problem("lies outside its range")
        kept: float | int | str = value
        return kept


class Amount(Rule):
    """A sum of money, or what is like one."""

    def __init__(self, *, positive: bool = False) -> None:
        self._positive = positive

    @property
    def rule(self) -> str:
        return "a number above 0" if self._positive else "a number"

    def check(self, value: Any) -> float | int:
        number = _number(value)
        if self._positive and number <= 0:
            raise Problem("is not above 0")
        return number


@dataclass(frozen=True, slots=True)
class Whole(Rule):
    """A whole number from `least` to `most`. As text it passes too where `text`."""

    least: int
    most: int | None = None
    text: bool = False

    @property
    def rule(self) -> str:
        span = f"from {self.least}" if self.most is None else f"from {self.least} to {self.most}"
        return f"a whole number {span}"

    def check(self, value: Any) -> int | str:
        kept: int | str = value
        if self.text and isinstance(value, str) and re.fullmatch("[0-9]{1,4}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Problem("is not a whole number")
        if value < self.least or (self.most is not None and value > self.most):
            raise Problem("lies outside its range")
        return kept


class Flag(Rule):
    """Yes or no."""

    @property
    def rule(self) -> str:
        return "true or false"

    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise Problem("is neither true nor false")
        return value


class Moment(Rule):
    """A time, kept as text in ISO 8601."""

    @property
    def rule(self) -> str:
        return "a datetime with a zone, or ISO 8601 text"

    def check(self, value: Any) -> str:
        if isinstance(value, datetime):
            if value.utcoffset() is None:
                raise Problem("is a datetime without a zone")
            return value.isoformat()
        text = _text(value)
        try:
            datetime.fromisoformat(text)
        except ValueError:
            raise Problem("is not ISO 8601") from None
        return text


class Day(Rule):
    """A date, kept as text: YYYY-MM-DD."""

    @property
    def rule(self) -> str:
        return "a date, or text as YYYY-MM-DD"

    def check(self, value: Any) -> str:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value.isoformat()
        text = _text(value)
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise Problem("is not a date") from None
        # Python also reads 20260302 and weeks.
        if day.isoformat() != text:
            raise Problem("is not a date as YYYY-MM-DD")
        return text


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Problem("is not text")
    return plain(value)


def _number(value: object) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Problem("is not a number")
    return value
