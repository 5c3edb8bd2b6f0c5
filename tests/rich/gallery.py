"""A content of every kind, made by the builders: what tests/rich/golden/ has as JSON, written by hand."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from cmqueue import Content
from cmqueue.rich import (
    ButtonAction,
    CalendarEvent,
    CalendarPicker,
    Card,
    Carousel,
    Contact,
    ContactAddress,
    ContactEmail,
    ContactName,
    ContactOrganization,
    ContactPhone,
    Contacts,
    ContactUrl,
    Context,
    CreateCalendarEvent,
    CurrencyParameter,
    DateTimeParameter,
    Dial,
    DocumentParameter,
    ImageParameter,
    InteractiveBody,
    InteractiveButtons,
    InteractiveFooter,
    InteractiveHeader,
    InteractiveList,
    InteractiveProduct,
    InteractiveProductList,
    Language,
    LineItem,
    ListAction,
    ListOption,
    ListPicker,
    Location,
    Media,
    MediaMessage,
    OAuth2,
    OpenUrl,
    PayloadParameter,
    Payment,
    Place,
    ProductAction,
    ProductItem,
    ProductListAction,
    ProductSection,
    Reply,
    ReplyButton,
    RichContent,
    Row,
    Section,
    ShareLocation,
    Template,
    TemplateBody,
    TemplateButton,
    TemplateHeader,
    Text,
    TextParameter,
    VideoParameter,
    ViewLocation,
)

BUSINESS = "00316098765432"
APPLE_USER = "urn:mbid:11111111"
PHOTO = Media(media_name="parcel.jpg", media_uri="https://acme.example/parcel.jpg", mime_type="image/jpeg")
TICKET = Media(
    media_name="ticket.pdf", media_uri="https://acme.example/ticket.pdf", mime_type="application/pdf"
)
CLIP = Media(media_name="clip.mp4", media_uri="https://acme.example/clip.mp4", mime_type="video/mp4")
DUTCH_WINTER = timezone(timedelta(hours=1))


def whatsapp(*items: object, text: str | None = "Read this on WhatsApp") -> Content:
    return Content(
        sender=BUSINESS, text=text, channels=["WhatsApp"], rich_content=RichContent(conversation=items)
    )


def rcs(*items: object, suggestions: tuple[object, ...] = ()) -> Content:
    rich = RichContent(conversation=items, suggestions=suggestions)
    return Content(sender="AcmeAgent", text="Hello", channels=["RCS", "SMS"], rich_content=rich)


def apple(*items: object, suggestions: tuple[object, ...] = ()) -> Content:
    rich = RichContent(conversation=items, suggestions=suggestions)
    return Content(sender="acme", channels=["Apple Messages for Business"], rich_content=rich)


def suggested(suggestion: object) -> Content:
    return rcs(Text(text="What next?"), suggestions=(suggestion,))


APPOINTMENT = {
    "start_time": datetime(2026, 3, 2, 9, 0, tzinfo=DUTCH_WINTER),
    "end_time": "2026-03-02T09:30:00+01:00",
    "title": "Delivery",
    "description": "Somebody must be at home",
}

CONTENTS: dict[str, Content] = {
    "text": whatsapp(Text(text="Your parcel *has* come", context=Context(message_id="wamid.1"))),
    "media": whatsapp(MediaMessage(media=PHOTO), text=None),
    "card": rcs(
        Card(
            header="Parcel",
            text="Pick a slot",
            media=PHOTO.model_copy(update={"media_height": "tall"}),
            card_orientation="horizontal",
            thumbnail_alignment="left",
            suggestions=[
                Reply(label="Morning", postbackdata="slot=am"),
                OpenUrl(label="Track", url="https://acme.example/t"),
            ],
        )
    ),
    "carousel": rcs(
        Carousel(
            card_width="small",
            cards=[
                Card(header="Red", media=PHOTO),
                Card(text="Blue", suggestions=[Reply(label="This one", postbackdata="blue")]),
            ],
        )
    ),
    "template": whatsapp(
        Template(
            namespace="ns_guid",
            element_name="order_update",
            language=Language(code="en"),
            components=[
                TemplateHeader(parameters=[ImageParameter(media=PHOTO)]),
                TemplateBody(
                    parameters=[
                        TextParameter(text="Ann"),
                        CurrencyParameter(fallback_value="€ 50,11", code="EUR", amount_1000=50110),
                        DateTimeParameter(fallback_value="2 Jan", timestamp=1735776000),
                    ]
                ),
                TemplateButton(sub_type="quick_reply", index=0, parameters=[PayloadParameter(payload="YES")]),
                TemplateButton(sub_type="url", index=1, parameters=[TextParameter(text="abc")]),
            ],
        )
    ),
    "template_document": whatsapp(
        Template(
            namespace="ns_guid",
            element_name="ticket",
            language=Language(policy="fallback", code="nl"),
            components=[TemplateHeader(parameters=[DocumentParameter(media=TICKET)])],
        )
    ),
    "template_video": whatsapp(
        Template(
            namespace="ns_guid",
            element_name="film",
            language=Language(code="en_US"),
            components=[TemplateHeader(parameters=[VideoParameter(media=CLIP)])],
            context=Context(message_id="wamid.2"),
        )
    ),
    "interactive_list": whatsapp(
        InteractiveList(
            header=InteractiveHeader(text="Delivery"),
            body=InteractiveBody(text="When are you at home?"),
            footer=InteractiveFooter(text="Acme"),
            action=ListAction(
                button="Choose",
                sections=[
                    Section(
                        title="Monday",
                        rows=[
                            Row(id="mo-am", title="Morning", description="8 to 12"),
                            Row(id="mo-pm", title="Afternoon"),
                        ],
                    ),
                    Section(title="Tuesday", rows=[Row(id="tu", title="All day")]),
                ],
            ),
        )
    ),
    "interactive_button": whatsapp(
        InteractiveButtons(
            header=InteractiveHeader(type="image", media=PHOTO),
            body=InteractiveBody(text="Is this your parcel?"),
            action=ButtonAction(
                buttons=[ReplyButton(id="yes", title="Yes"), ReplyButton(id="no", title="No")]
            ),
        )
    ),
    "interactive_product": whatsapp(
        InteractiveProduct(action=ProductAction(catalog_id="cat-1", product_retailer_id="shoe-42"))
    ),
    "interactive_product_list": whatsapp(
        InteractiveProductList(
            header=InteractiveHeader(text="Shoes"),
            body=InteractiveBody(text="New this week"),
            action=ProductListAction(
                catalog_id="cat-1",
                sections=[
                    ProductSection(
                        title="Boots",
                        product_items=[
                            ProductItem(product_retailer_id="boot-41"),
                            ProductItem(product_retailer_id="boot-42"),
                        ],
                    )
                ],
            ),
        )
    ),
    "location": whatsapp(Location(latitude=51.5898, longitude="4.7750", label="Acme", radius=50)),
    "contacts": whatsapp(
        Contacts(
            contacts=[
                Contact(
                    name=ContactName(
                        formatted_name="Dr. Ann B. Example",
                        first_name="Ann",
                        last_name="Example",
                        middle_name="B.",
                        name_prefix="Dr.",
                        name_suffix="MSc",
                    ),
                    org=ContactOrganization(company="Acme", department="Service", title="Head"),
                    birthday=date(1990, 1, 31),
                    phones=[ContactPhone(phone="+31600000009", type="cell")],
                    emails=[ContactEmail(email="ann@acme.example", type="work")],
                    urls=[ContactUrl(url="https://acme.example", type="WORK")],
                    addresses=[
                        ContactAddress(
                            street="Main street 1",
                            city="Breda",
                            state="NB",
                            zip="4811 AA",
                            country="Netherlands",
                            country_code="NL",
                            type="HOME",
                        )
                    ],
                )
            ]
        )
    ),
    "list_picker": apple(
        ListPicker(
            label="Which colour?",
            media=PHOTO,
            options=[ListOption(label="Red", media=PHOTO), ListOption(label="Blue")],
        )
    ),
    "payment": apple(
        Payment(
            merchant_name="Acme",
            description="Shoes",
            order_reference="8131",
            line_items=[
                LineItem(label="Boots", type="final", amount=80),
                LineItem(label="Shipping", type="pending", amount=4.95),
            ],
            total=84.95,
            recipient_email="ann@acme.example",
            currency_code="EUR",
            recipient_country_code="NL",
            language_country_code="nl",
            billing_address_required=True,
            shipping_contact_required=False,
        )
    ),
    "oauth2": apple(
        OAuth2(
            response_type="code",
            scope=["profile", "email"],
            state="8131",
            response_encryption_key="key",
            client_secret="secret",
        )
    ),
    "instagram": Content(
        sender="acme-account",
        channels=["Instagram"],
        rich_content=RichContent(conversation=[Text(text="Hello", tag="HUMAN_AGENT")]),
    ),
    "viber": Content(
        sender="Acme",
        text="Your parcel has come",
        channels=["Viber", "SMS"],
        rich_content=RichContent(
            conversation=[MediaMessage(media=PHOTO), Text(text="Your parcel has come")],
            suggestions=[OpenUrl(label="Track", url="https://acme.example/t")],
        ),
    ),
    "suggestion_reply": suggested(
        Reply(label="Yes", postbackdata="yes", description="I shall be there", media=PHOTO)
    ),
    "suggestion_open_url": suggested(OpenUrl(label="Track", url="acme://parcels/8131")),
    "suggestion_dial": suggested(Dial(label="Call us", phone_number="+31600000009")),
    "suggestion_view_location": suggested(
        ViewLocation(
            label="Where?", view_location=Place(label="Acme", search_query="Acme, Breda", radius=100)
        )
    ),
    "suggestion_create_calendar_event": suggested(CreateCalendarEvent(label="Note it", **APPOINTMENT)),
    "suggestion_share_location": suggested(ShareLocation(label="I am here")),
    "suggestion_calendar_picker": apple(
        Text(text="When?"),
        suggestions=(CalendarPicker(label="Pick a time", options=[CalendarEvent(**APPOINTMENT)]),),
    ),
}


def recipient(content: Content) -> str:
    """Somebody who can be reached on the content's channels."""
    return APPLE_USER if not {"SMS", "WhatsApp", "RCS", "Viber"} & set(content.channels) else "0031600000001"
