"""Templates: texts that WhatsApp approved, which alone may begin a conversation ("WhatsApp templates")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

from pydantic import model_validator

from cmqueue.errors import InvalidMessage
from cmqueue.rich.item import Item
from cmqueue.rich.parameter import (
    CurrencyParameter,
    DateTimeParameter,
    DocumentParameter,
    ImageParameter,
    Parameter,
    PayloadParameter,
    TextParameter,
    VideoParameter,
)
from cmqueue.rich.part import Members, Part, Raw
from cmqueue.rich.value import Characters, Choice, Whole

Parameters = Annotated[Sequence[Parameter | Raw], Members()]


class Language(Part):
    """The language of a template: `en`, `en_US`, `nl`."""

    policy: Annotated[str, Choice("deterministic", "fallback")] = "deterministic"
    code: Annotated[str, Characters()]


class Component(Part):
    """The values for one part of a template, in the order of its variables."""

    camel: ClassVar[bool] = False
    told_by: ClassVar[str] = "type"
    takes: ClassVar[tuple[type[Part], ...]] = ()

    parameters: Parameters = ()

    @model_validator(mode="after")
    def _fit(self) -> Self:
        for index, parameter in enumerate(self.parameters):
            if not isinstance(parameter, (*self.takes, Raw)):
                kinds = ", ".join(kind.kind for kind in self.takes)
                raise InvalidMessage(f"parameters[{index}]", f"does not go into a {self.kind}", kinds)
        return self


class TemplateHeader(Component):
    """The line or the media on top."""

    kind: ClassVar[str] = "header"
    takes: ClassVar[tuple[type[Part], ...]] = (
        TextParameter,
        ImageParameter,
        VideoParameter,
        DocumentParameter,
    )


class TemplateBody(Component):
    """The text."""

    kind: ClassVar[str] = "body"
    takes: ClassVar[tuple[type[Part], ...]] = (TextParameter, CurrencyParameter, DateTimeParameter)


class TemplateButton(Component):
    """One of the buttons: a quick reply takes a payload, a URL a text. The first has the index 0."""

    kind: ClassVar[str] = "button"
    takes: ClassVar[tuple[type[Part], ...]] = (PayloadParameter, TextParameter)

    sub_type: Annotated[str, Choice("quick_reply", "url")]
    index: Annotated[int | str, Whole(0, 2, text=True)]


class Template(Item):
    """A template by its names, its language and the values for its variables."""

    camel: ClassVar[bool] = False
    known_by: ClassVar[str] = "template"
    within: ClassVar[tuple[str, ...]] = ("template", "whatsapp")

    namespace: Annotated[str, Characters()]
    element_name: Annotated[str, Characters()]
    language: Language
    components: Annotated[Sequence[Component | Raw], Members()] = ()
