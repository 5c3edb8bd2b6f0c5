"""Media: a file that the recipient's app shows, fetched from its URL."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Set as AbstractSet

from sandbox.channel import APPLE
from sandbox.rich.node import Node

_MIME_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+", re.IGNORECASE)


def check_media(holder: Node, channels: AbstractSet[str], *, needed: bool = False) -> tuple[Node, str] | None:
    """The `media` of `holder` with its MIME type in lower case; None when there is none."""
    media = holder.node("media", needed=needed)
    if media is None:
        return None
    name = media.text("mediaName", needed=True)
    media.web_url("mediaUri")
    mime_type = media.match("mimeType", _MIME_TYPE, "a MIME type", needed=True).lower()
    if channels & APPLE and not _named_by_type(name, mime_type):
        media.refuse("does not end as its MIME type asks", "mediaName")
    return media, mime_type


def _named_by_type(name: str, mime_type: str) -> bool:
    """Whether the file's extension fits; for a type that nobody knows, whether there is one."""
    fitting = mimetypes.guess_all_extensions(mime_type)
    return name.lower().endswith(tuple(fitting)) if fitting else "." in name.strip(".")
