"""A mailing: what an import sends to the recipients of a file, and what it is known by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from cmqueue.campaign.source import Cell, Source, UnknownColumn, joined, shown
from cmqueue.campaign.template import Template
from cmqueue.channel import numbers_are_opaque
from cmqueue.lane import Lane
from cmqueue.message import Content, Options
from cmqueue.settings import DEFAULT_ACCOUNT

#: From a row to its message, as `enqueue_many` takes it. Raises InvalidMessage where the template does.
Letter: TypeAlias = Callable[[Any], dict[str, Any]]

_LONGEST_KEY = 200  #: characters; a longer one is digested


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """One content, or one text with names in it, for all rows of a file.

    `content` is what is sent; with a `template` its text is that template. `options` are those of every
    message, the campaign among them.
    """

    content: Content
    template: Template | None
    options: Options
    lane: Lane = Lane.BULK
    account: str = DEFAULT_ACCOUNT
    reference_column: str | None = None

    @classmethod
    def of(cls, content: Content, options: Options, *, templated: bool, **rest: Any) -> Mailing:
        """The mailing of `content`; its text may have names where it is `templated`.

        Raises InvalidMessage for a text that is no template.
        """
        template = Template(content.text) if templated and content.text else None
        if template is not None and not template.names:
            # Delimiters and comments go, and it is the same text for everybody.
            content, template = content.model_copy(update={"text": template.fill({})}), None
        return cls(content=content, template=template, options=options, **rest)

    @property
    def individual(self) -> bool:
        """Whether messages differ in more than the number; else they are one broadcast."""
        return self.template is not None or self.reference_column is not None

    @property
    def opaque(self) -> bool:
        """Whether recipients are ids of a channel's own, not phone numbers."""
        return numbers_are_opaque(self.content.channels)

    @property
    def key(self) -> str:
        """The idempotency key of the import: by its campaign, or without one by what it says.

        The file is no part of it. One that was mended or has grown is the same import, and whoever had the
        message before does not get it twice.
        """
        campaign = self.options.campaign
        said = b"content\0" + self.content.wire() if campaign is None else b"campaign\0" + campaign.encode()
        return f"import:{hashlib.sha256(said).hexdigest()[:32]}"

    @property
    def mark(self) -> Content:
        """What the key stands for. For messages that differ it is a content that nobody is sent."""
        if not self.individual:
            return self.content
        said = b"\0".join(
            (
                self.content.wire(),
                b"names" if self.template else b"",
                b"references" if self.reference_column else b"",
            )
        )
        return Content(sender="import", text=hashlib.sha256(said).hexdigest())

    def key_of(self, number: str) -> str:
        """The idempotency key of one message of many that differ: a number has one."""
        return _key(self.key, number)

    def letter(self, source: Source, number: Callable[[Any], str]) -> Letter:
        """From a row of `source` to its message; `number` gives its number as it goes to CM.

        Raises UnknownColumn for a name that the file lacks.
        """
        values = _values(source, self.template)
        reference = _reference(source, self.reference_column)
        template, common, key = self.template, _given(self.content), self.key

        def letter(row: Any) -> dict[str, Any]:
            to = number(row)
            message = common | {"to": to, "idempotency_key": _key(key, to)}
            if template is not None:
                message["text"] = template.fill(values(row))
            if reference is not None and (own := reference(row).strip()):
                message["client_reference"] = own
            return message

        return letter


def _key(key: str, number: str) -> str:
    own = f"{key}:{number}"
    return own if len(own) <= _LONGEST_KEY else hashlib.sha256(own.encode()).hexdigest()


def _given(content: Content) -> dict[str, Any]:
    """The fields of `content` that are not their defaults."""
    own = {name: getattr(content, name) for name in content.model_fields_set}
    return {name: value for name, value in own.items() if value != Content.model_fields[name].default}


def _values(source: Source, template: Template | None) -> Callable[[Any], Mapping[str, str]]:
    if template is None:
        return lambda _row: {}
    unknown = [name for name in template.names if source.closed and name not in source.columns]
    if unknown:
        raise UnknownColumn(
            f"the text names {joined(unknown)}, which {source.name} has no column for; "
            "a text with braces of its own begins with {=<% %>=}"
        )
    for name in template.names:
        if (found := source.columns.count(name)) > 1:
            raise UnknownColumn(f"{source.name} has {found} columns called {shown(name)}")
    cells = [(name, source.cell(name)) for name in sorted(template.names)]
    return lambda row: {name: cell(row) for name, cell in cells}


def _reference(source: Source, asked: str | None) -> Cell | None:
    if asked is None:
        return None
    found = source.named(asked)
    if found is None:
        raise UnknownColumn(f"{source.name} has no column of the name in --reference-column")
    return source.cell(found)
