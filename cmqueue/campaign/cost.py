"""What texts take as SMS: their parts, and the characters that make them Unicode."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from cmqueue import sms
from cmqueue.channel import may_use_sms
from cmqueue.message import Content


class Foreign(NamedTuple):
    """A character that makes texts Unicode, told as `é (U+00E9 …)`, and how many messages have it."""

    label: str
    messages: int


class Cost:
    """Adds up the texts of many messages that share all but their text."""

    def __init__(self, content: Content) -> None:
        self._count_of: dict[str, Any] = {"encoding": content.encoding, "dcs": content.dcs}
        self._most = content.max_parts
        self.applies = bool(content.text) and may_use_sms(content.channels)
        self.messages = self.parts = self.gsm_parts = self.unicode = self.too_long = 0
        self._foreign = Counter[str]()

    def add(self, text: str, messages: int = 1) -> None:
        """`messages` of one text."""
        if not self.applies or not messages:
            return
        counted = sms.count(text, **self._count_of)
        self.messages += messages
        self.parts += counted.parts * messages
        if counted.parts > self._most:
            self.too_long += messages
        if counted.encoding == "UCS-2":
            self.unicode += messages
            self.gsm_parts += counted.gsm_parts * messages
            for foreign in counted.foreign:
                self._foreign[foreign.label] += messages
        else:
            self.gsm_parts += counted.parts * messages

    @property
    def extra_parts(self) -> int:
        """The parts that Unicode costs."""
        return self.parts - self.gsm_parts

    def foreign(self) -> list[Foreign]:
        """The most frequent first."""
        return [Foreign(*found) for found in self._foreign.most_common()]
