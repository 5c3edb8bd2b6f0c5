"""What the options of `cmqueue import` come to: the file, its rows, what is sent, where bad rows go."""

from __future__ import annotations

import json
import os
import stat
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import click

from cmqueue.campaign.badfile import BadFile, beside
from cmqueue.campaign.mailing import Mailing
from cmqueue.campaign.source import Source, Unreadable, opened
from cmqueue.campaign.spool import spooled
from cmqueue.cli.page import clean
from cmqueue.errors import InvalidMessage
from cmqueue.lane import Lane
from cmqueue.message import Content, Options

MOST_TEXT = 1 << 20  #: bytes of a text or content file; a content may have a quarter of it
STANDARD_INPUT = "-"


def source_of(stack: ExitStack, given: str, number_column: str | None) -> Source:
    """The rows of the file `given`, open until `stack` is. Raises Unreadable."""
    if given == STANDARD_INPUT:
        if sys.stdin is None:
            raise Unreadable("standard input is closed")
        spool = stack.enter_context(spooled(sys.stdin.buffer))
        return opened(spool, "standard input", number_column=number_column)
    path = Path(given)
    file: IO[bytes] = stack.enter_context(_open(path, "FILE"))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # a pipe can be read but once
        file = stack.enter_context(spooled(file))  # type: ignore[arg-type]  # a BufferedReader
    return opened(file, clean(path.name), number_column=number_column)


def bad_file(asked: str | None, given: str, source: Source) -> BadFile:
    """Where bad rows go; nowhere by default where there is no file to lie beside."""
    if asked is None:
        regular = given != STANDARD_INPUT and Path(given).is_file()
        return BadFile(beside(Path(given)) if regular else None, source.columns)
    path = Path(asked)
    if given != STANDARD_INPUT and path.exists() and path.samefile(given):
        raise click.UsageError("--bad names the file that is read")
    if not path.parent.is_dir():
        raise click.UsageError("--bad: there is no such folder")
    return BadFile(path, source.columns)


def mailing_of(
    *,
    sender: str | None,
    text: str | None,
    text_file: str | None,
    content_file: str | None,
    lane: str,
    account: str,
    reference_column: str | None,
    **options: Any,
) -> Mailing:
    """What is sent to each. Raises InvalidMessage, and UsageError where the options don't go together."""
    if [text, text_file, content_file].count(None) != 2:
        raise click.UsageError("give what is sent by one of --text, --text-file and --content")
    if content_file is not None:
        fields = _object(content_file)
        if sender is not None:
            if "sender" in fields:
                raise click.UsageError("the content has a sender; leave --from out")
            fields["sender"] = sender
        content = _content(fields)
    else:
        if sender is None:
            raise click.UsageError("--from is missing: whom it comes from")
        content = Content(sender=sender, text=text if text_file is None else _text(text_file, "--text-file"))
    return Mailing.of(
        content,
        Options(**options),
        templated=content_file is None,
        lane=Lane(lane),
        account=account,
        reference_column=reference_column,
    )


def _content(fields: dict[str, Any]) -> Content:
    """The content of a file, whose fields an error names as such."""
    try:
        return Content.of_mapping(fields)
    except InvalidMessage as error:
        raise InvalidMessage(f"--content: {error.field}", error.problem, error.rule) from None


def _object(given: str) -> dict[str, Any]:
    rule = 'a JSON object, such as {"sender": "Acme", "text": "Sale!"}'
    try:
        found = json.loads(_text(given, "--content"))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InvalidMessage):
            raise
        raise InvalidMessage("--content", "is not JSON", rule) from None
    if not isinstance(found, dict):
        raise InvalidMessage("--content", "is not an object", rule)
    return found


def _text(given: str, option: str) -> str:
    """The text of a file; the newline at its end is the editor's."""
    with _open(Path(given), option) as file:
        read = file.read(MOST_TEXT + 1)
    if len(read) > MOST_TEXT:
        raise InvalidMessage(option, "is too long", f"at most {MOST_TEXT} bytes")
    try:
        text = read.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidMessage(option, "is not UTF-8", "text in UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r")


def _open(path: Path, called: str) -> IO[bytes]:
    """The file; an error calls it by its place on the command line, where a number may stand by mistake."""
    try:
        return path.open("rb")
    except OSError as error:
        raise Unreadable(f"{called} cannot be read ({error.strerror})") from None
