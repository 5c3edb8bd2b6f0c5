"""Parameters: what fills the variables of a WhatsApp template ("WhatsApp templates")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from cmqueue.rich.media import Media
from cmqueue.rich.part import Part
from cmqueue.rich.value import Characters, Form, Whole


class Parameter(Part):
    """The value of one variable."""

    camel: ClassVar[bool] = False
    told_by: ClassVar[str] = "type"


class TextParameter(Parameter):
    """A text; in a button with a URL, the end of that URL."""

    kind: ClassVar[str] = "text"

    text: Annotated[str, Characters()]


class CurrencyParameter(Parameter):
    """A sum of money in thousandths. `fallback_value` is shown where a phone can't write it."""

    kind: ClassVar[str] = "currency"
    within: ClassVar[tuple[str, ...]] = ("currency",)

    fallback_value: Annotated[str, Characters()]
    code: Annotated[str, Form("[A-Z]{3}", "a currency's code of three capitals")]
    amount_1000: Annotated[int, Whole(-(2**53), 2**53)]


class DateTimeParameter(Parameter):
    """A time, `timestamp` in seconds since 1970. `fallback_value` is shown where a phone can't write it."""

    kind: ClassVar[str] = "date_time"
    within: ClassVar[tuple[str, ...]] = ("date_time",)

    fallback_value: Annotated[str, Characters()]
    timestamp: Annotated[int, Whole(0)] | None = None


class ImageParameter(Parameter):
    """An image in a header."""

    kind: ClassVar[str] = "image"
    # CM's samples and its PHP and .NET clients say `media`; its JavaScript client says the kind.
    spellings: ClassVar[Mapping[str, str]] = {"image": "media"}

    media: Media


class VideoParameter(Parameter):
    """A video in a header."""

    kind: ClassVar[str] = "video"
    spellings: ClassVar[Mapping[str, str]] = {"video": "media"}

    media: Media


class DocumentParameter(Parameter):
    """A document in a header: a PDF."""

    kind: ClassVar[str] = "document"
    spellings: ClassVar[Mapping[str, str]] = {"document": "media"}

    media: Media


class PayloadParameter(Parameter):
    """What comes back when somebody taps a quick reply."""

    kind: ClassVar[str] = "payload"

    payload: Annotated[str, Characters()]
