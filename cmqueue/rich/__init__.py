"""Rich content: builders for all that CM's `richContent` can say, each checked when it is made.

    from cmqueue import Content
    from cmqueue.rich import Reply, RichContent, Text

    rich = RichContent(conversation=[Text(text="Which day?")], suggestions=[Reply(label="Monday")])
    Content(sender="AcmeAgent", text="Which day?", channels=["RCS", "SMS"], rich_content=rich)

`Content` and `Message` import this package only for those that have rich content.
"""

from cmqueue.rich.card import Card, Carousel
from cmqueue.rich.contacts import (
    Contact,
    ContactAddress,
    ContactEmail,
    ContactName,
    ContactOrganization,
    ContactPhone,
    Contacts,
    ContactUrl,
)
from cmqueue.rich.interactive import (
    ButtonAction,
    InteractiveBody,
    InteractiveButtons,
    InteractiveFooter,
    InteractiveHeader,
    InteractiveList,
    InteractiveProduct,
    InteractiveProductList,
    ListAction,
    ProductAction,
    ProductItem,
    ProductListAction,
    ProductSection,
    ReplyButton,
    Row,
    Section,
)
from cmqueue.rich.item import Context
from cmqueue.rich.list_picker import ListOption, ListPicker
from cmqueue.rich.location import Location, Place
from cmqueue.rich.media import Media
from cmqueue.rich.oauth2 import OAuth2
from cmqueue.rich.parameter import (
    CurrencyParameter,
    DateTimeParameter,
    DocumentParameter,
    ImageParameter,
    PayloadParameter,
    TextParameter,
    VideoParameter,
)
from cmqueue.rich.part import Raw
from cmqueue.rich.payment import LineItem, Payment
from cmqueue.rich.rich_content import RichContent
from cmqueue.rich.suggestion import (
    CalendarEvent,
    CalendarPicker,
    CreateCalendarEvent,
    Dial,
    OpenUrl,
    Reply,
    ShareLocation,
    ViewLocation,
)
from cmqueue.rich.template import (
    Language,
    Template,
    TemplateBody,
    TemplateButton,
    TemplateHeader,
)
from cmqueue.rich.text import MediaMessage, Text

__all__ = [
    "ButtonAction",
    "CalendarEvent",
    "CalendarPicker",
    "Card",
    "Carousel",
    "Contact",
    "ContactAddress",
    "ContactEmail",
    "ContactName",
    "ContactOrganization",
    "ContactPhone",
    "ContactUrl",
    "Contacts",
    "Context",
    "CreateCalendarEvent",
    "CurrencyParameter",
    "DateTimeParameter",
    "Dial",
    "DocumentParameter",
    "ImageParameter",
    "InteractiveBody",
    "InteractiveButtons",
    "InteractiveFooter",
    "InteractiveHeader",
    "InteractiveList",
    "InteractiveProduct",
    "InteractiveProductList",
    "Language",
    "LineItem",
    "ListAction",
    "ListOption",
    "ListPicker",
    "Location",
    "Media",
    "MediaMessage",
    "OAuth2",
    "OpenUrl",
    "PayloadParameter",
    "Payment",
    "Place",
    "ProductAction",
    "ProductItem",
    "ProductListAction",
    "ProductSection",
    "Raw",
    "Reply",
    "ReplyButton",
    "RichContent",
    "Row",
    "Section",
    "ShareLocation",
    "Template",
    "TemplateBody",
    "TemplateButton",
    "TemplateHeader",
    "Text",
    "TextParameter",
    "VideoParameter",
    "ViewLocation",
]
