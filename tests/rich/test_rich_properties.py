"""What the builders say, read back as CM's JSON, is the same again, whatever was built."""

from __future__ import annotations

import json
from datetime import timedelta, timezone
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cmqueue import Content, InvalidMessage
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
from cmqueue.rich.reading import read

letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(letters, max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(letters, max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def text(most: int = 40) -> st.SearchStrategy[str]:
    return st.text(letters, min_size=1, max_size=most)


def some(kind: Any, most: int, least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(kind, min_size=least, max_size=most)


def maybe(kind: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | kind


web = st.sampled_from(["https://acme.example", "HTTP://acme.example/a?b=c#d"])
degrees = st.integers(-90, 90) | st.floats(-90, 90) | st.sampled_from(["51.6", "-4.775"])
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(timezones=offsets) | st.just("2026-03-02T09:00:00")
media = st.builds(
    Media,
    media_uri=web,
    media_name=maybe(text()),
    mime_type=maybe(st.just("image/png")),
    media_height=maybe(st.sampled_from(["tall", "SHORT"])),
)
context = maybe(st.builds(Context, message_id=text()))
by_degrees: dict[str, Any] = {
    "latitude": degrees,
    "longitude": degrees,
    "label": maybe(text()),
    "radius": maybe(st.integers(1, 9999)),
}
place = st.builds(Place, **by_degrees) | st.builds(Place, search_query=text())
event = {"start_time": moments, "end_time": moments, "title": text(), "description": maybe(text())}
label: dict[str, Any] = {"label": text(25), "postbackdata": maybe(text())}
suggestion = st.one_of(
    st.builds(Reply, **label, description=maybe(text()), media=maybe(media)),
    st.builds(OpenUrl, **label, url=web | st.just("acme://parcels/1")),
    st.builds(Dial, **label, phone_number=st.text("0123456789+*#", min_size=1, max_size=20)),
    st.builds(ViewLocation, **label, view_location=place),
    st.builds(ShareLocation, **label, request_location=st.booleans()),
    st.builds(CreateCalendarEvent, **label, **event),
    st.builds(CalendarPicker, **label, action=text(), options=some(st.builds(CalendarEvent, **event), 3, 1)),
)
card = st.builds(
    Card,
    header=text(),
    text=maybe(text()),
    media=maybe(media),
    card_orientation=maybe(st.sampled_from(["horizontal", "VERTICAL"])),
    thumbnail_alignment=maybe(st.sampled_from(["Left", "RIGHT"])),
    suggestions=some(suggestion, 4),
)
words = st.builds(TextParameter, text=text())
amount = st.builds(
    CurrencyParameter, fallback_value=text(), code=st.just("EUR"), amount_1000=st.integers(0, 10**9)
)
time = st.builds(DateTimeParameter, fallback_value=text(), timestamp=maybe(st.integers(0, 2**32)))
picture = st.one_of(
    *(st.builds(kind, media=media) for kind in (ImageParameter, VideoParameter, DocumentParameter))
)
component = st.one_of(
    st.builds(TemplateHeader, parameters=some(words | picture, 1)),
    st.builds(TemplateBody, parameters=some(words | amount | time, 3)),
    st.builds(
        TemplateButton,
        sub_type=st.sampled_from(["quick_reply", "URL"]),
        index=st.integers(0, 2) | st.just("1"),
        parameters=some(words | st.builds(PayloadParameter, payload=text()), 1),
    ),
)
body = st.builds(InteractiveBody, text=text(1024))
titled = st.builds(InteractiveHeader, text=text())
above: dict[str, Any] = {"footer": maybe(st.builds(InteractiveFooter, text=text(60))), "context": context}
row = st.builds(Row, id=text(200), title=text(24), description=maybe(text(72)))
section = st.builds(Section, title=maybe(text(24)), rows=some(row, 5, 1))
button = st.builds(ReplyButton, id=text(256), title=text(20))
products = st.builds(
    ProductSection,
    title=maybe(text(24)),
    product_items=some(st.builds(ProductItem, product_retailer_id=text()), 5, 1),
)
where = maybe(st.sampled_from(["home", "WORK"]))
contact = st.builds(
    Contact,
    name=st.builds(ContactName, formatted_name=text(), first_name=maybe(text())),
    org=maybe(st.builds(ContactOrganization, company=text())),
    birthday=maybe(st.dates()),
    phones=some(st.builds(ContactPhone, phone=text(), type=maybe(st.just("cell"))), 2),
    emails=some(st.builds(ContactEmail, email=text(), type=where), 2),
    urls=some(st.builds(ContactUrl, url=text(), type=where), 2),
    addresses=some(st.builds(ContactAddress, city=maybe(text()), zip=text(), type=where), 2),
)
item = st.one_of(
    st.builds(Text, text=text(), tag=maybe(text()), suggestions=some(suggestion, 3), context=context),
    st.builds(MediaMessage, media=media, context=context),
    card,
    st.builds(Carousel, card_width=st.sampled_from(["small", "MEDIUM"]), cards=some(card, 3, 2)),
    st.builds(
        Template,
        namespace=text(),
        element_name=text(),
        language=st.builds(Language, code=text()),
        components=some(component, 3),
        context=context,
    ),
    st.builds(
        InteractiveList,
        header=maybe(titled),
        body=body,
        action=st.builds(ListAction, button=text(), sections=some(section, 2, 1)),
        **above,
    ),
    st.builds(
        InteractiveButtons,
        header=maybe(titled | st.builds(InteractiveHeader, type=st.just("Image"), media=media)),
        body=body,
        action=st.builds(ButtonAction, buttons=some(button, 3, 1)),
        **above,
    ),
    st.builds(
        InteractiveProduct,
        body=maybe(body),
        action=st.builds(ProductAction, catalog_id=text(), product_retailer_id=text()),
        **above,
    ),
    st.builds(
        InteractiveProductList,
        header=titled,
        body=body,
        action=st.builds(ProductListAction, catalog_id=text(), sections=some(products, 3, 1)),
        **above,
    ),
    st.builds(Location, **by_degrees, context=context),
    st.builds(Contacts, contacts=some(contact, 2, 1), context=context),
    st.builds(
        ListPicker,
        label=text(),
        media=maybe(media),
        options=some(st.builds(ListOption, label=text(), media=maybe(media)), 3, 1),
    ),
    st.builds(
        Payment,
        merchant_name=text(),
        description=text(),
        order_reference=text(),
        line_items=some(st.builds(LineItem, label=text(), amount=st.floats(0, 1e9) | st.integers(0, 9)), 2),
        total=maybe(st.floats(0.01, 1e9)),
        billing_address_required=maybe(st.booleans()),
    ),
    st.builds(OAuth2, response_type=text(), scope=some(text(), 2), state=maybe(text())),
)
rich_contents = st.builds(RichContent, conversation=some(item, 3, 1), suggestions=some(suggestion, 3))


def swapped(document: Any) -> Any:
    """The document with the case of all its names the other way round."""
    if isinstance(document, dict):
        return {name.swapcase(): swapped(value) for name, value in document.items()}
    return [swapped(member) for member in document] if isinstance(document, list) else document


@settings(max_examples=60)
@given(rich=rich_contents)
def test_what_is_built_reads_back(rich: RichContent) -> None:
    """
    The JSON of any rich content is accepted as a document, and reads as the same parts.
    """
    content = Content(sender="Acme", text="Hi", rich_content=rich)
    document = json.loads(content.wire())["richContent"]

    assert rich == read(RichContent, document, "rich_content")
    assert rich == read(RichContent, swapped(document), "rich_content")
    assert rich == read(RichContent, document, "rich_content", lenient=True)
    assert content.wire() == Content(sender="Acme", text="Hi", rich_content=document).wire()


@settings(max_examples=60)
@given(rich=st.dictionaries(st.sampled_from(["conversation", "Suggestions", "theme"]), json_values))
def test_any_json_is_taken_or_refused_by_name(rich: dict[str, Any]) -> None:
    """
    Whatever the document, it is sent as given or refused with a path inside rich content.
    """
    for unknown in ("refuse", "pass"):
        try:
            content = Content(sender="Acme", text="Hi", rich_content=rich, unknown_fields=unknown)
        except InvalidMessage as refusal:
            field = refusal.field
        else:
            field = "rich_content"
            assert rich == json.loads(content.wire())["richContent"]
        assert field.startswith("rich_content")
