"""Accepted rich content for a person to read: bubble after bubble, as an app would show them.

Whatever an accepted document holds under names that CM does not know is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Fields = dict[str, Any]


class Button(NamedTuple):
    """Something to tap; `leads_to` is where, or what is sent back."""

    label: str
    leads_to: str


class Bubble(NamedTuple):
    """One bubble. What it lacks is empty."""

    kind: str
    title: str = ""
    text: str = ""
    file: str = ""  #: MIME type, name and address
    buttons: tuple[Button, ...] = ()


def bubbles(document: Fields) -> list[Bubble]:
    """The bubbles of a `richContent` that the gateway accepted."""
    rich = _lowered(document)
    shown = [bubble for item in _list(rich, "conversation") for bubble in _item(item)]
    if below := _suggestions(rich):
        shown.append(Bubble("suggestions", buttons=below))
    return shown


def _item(item: Fields) -> Iterator[Bubble]:
    for kind, show in _KINDS.items():
        if item.get(kind) is not None:
            yield from show(item[kind])
            return
    yield _card(item, "card" if _text(item, "header") or (item.get("media") and item.get("text")) else "")


def _card(card: Fields, kind: str) -> Bubble:
    file = card.get("media") or {}
    return Bubble(
        kind or ("media" if file else "text"),
        _text(card, "header"),
        _text(card, "text"),
        _file(file),
        _suggestions(card),
    )


def _carousel(carousel: Fields) -> Iterator[Bubble]:
    cards = _list(carousel, "cards")
    for number, card in enumerate(cards, start=1):
        yield _card(card, f"card {number} of {len(cards)}")


def _template(template: Fields) -> Iterator[Bubble]:
    whatsapp = template.get("whatsapp") or {}
    language = _text(whatsapp.get("language") or {}, "code")
    lines, buttons, files = [], [], []
    for component in _list(whatsapp, "components"):
        values = [_parameter(parameter) for parameter in _list(component, "parameters")]
        if _text(component, "type").lower() == "button":
            label = f"{_text(component, 'sub_type').lower()} {component.get('index', '')}"
            buttons.append(Button(label, " ".join(values)))
        elif values:
            lines.append(f"{_text(component, 'type').lower()}: {' · '.join(values)}")
        files += [_file(parameter.get("media") or {}) for parameter in _list(component, "parameters")]
    name = f"{_text(whatsapp, 'element_name')} ({language})"
    yield Bubble("template", name, "\n".join(lines), " ".join(filter(None, files)), tuple(buttons))


def _parameter(parameter: Fields) -> str:
    kind = _text(parameter, "type").lower()
    value = parameter.get(kind)
    if isinstance(value, dict):
        return _text(value, "fallback_value")
    return str(value or kind)


def _interactive(interactive: Fields) -> Iterator[Bubble]:
    header, action = interactive.get("header") or {}, interactive.get("action") or {}
    texts = [_text(interactive.get(part) or {}, "text") for part in ("body", "footer")]
    products = [_text(action, "product_retailer_id")]
    for section in _list(action, "sections"):
        title = _text(section, "title")
        texts += [
            f"  {title} / {_text(row, 'title')} {_text(row, 'description')}".rstrip()
            for row in _list(section, "rows")
        ]
        products += [_text(product, "product_retailer_id") for product in _list(section, "product_items")]
    texts += [f"  product {product}" for product in products if product]
    replies = [button.get("reply") or {} for button in _list(action, "buttons")]
    buttons = [Button(_text(reply, "title"), _text(reply, "id")) for reply in replies]
    if _text(action, "button"):
        buttons.append(Button(_text(action, "button"), "opens the list"))
    yield Bubble(
        _text(interactive, "type").lower().replace("_", " "),
        _text(header, "text"),
        "\n".join(filter(None, texts)),
        _file(header.get("media") or {}),
        tuple(buttons),
    )


def _contacts(contacts: list[Fields]) -> Iterator[Bubble]:
    for contact in contacts:
        lines = [
            _text(entry, name)
            for names, name in (("phones", "phone"), ("emails", "email"), ("urls", "url"))
            for entry in _list(contact, names)
        ]
        yield Bubble("contact", _text(contact.get("name") or {}, "formatted_name"), "\n".join(lines))


def _location(place: Fields) -> Iterator[Bubble]:
    yield Bubble("location", _text(place, "label"), f"{place.get('latitude')}, {place.get('longitude')}")


def _list_picker(picker: Fields) -> Iterator[Bubble]:
    options = tuple(Button(_text(option, "label"), "an option") for option in _list(picker, "options"))
    yield Bubble(
        "list picker", _text(picker, "label"), file=_file(picker.get("media") or {}), buttons=options
    )


def _payment(payment: Fields) -> Iterator[Bubble]:
    lines = [f"{_text(line, 'label')} {line.get('amount')}" for line in _list(payment, "lineitems")]
    total = f"{payment.get('total')} {_text(payment, 'currencycode')}"
    text = "\n".join([_text(payment, "description"), *lines])
    yield Bubble(
        "payment", _text(payment, "merchantname"), text, buttons=(Button(f"Pay {total}", "Apple Pay"),)
    )


def _authentication(_: Fields) -> Iterator[Bubble]:
    yield Bubble("authentication")


_KINDS: dict[str, Callable[[Any], Iterator[Bubble]]] = {
    "carousel": _carousel,
    "template": _template,
    "interactive": _interactive,
    "location": _location,
    "contacts": _contacts,
    "listpicker": _list_picker,
    "payment": _payment,
    "oauth2": _authentication,
}


def _suggestions(holder: Fields) -> tuple[Button, ...]:
    return tuple(Button(_text(node, "label"), _leads_to(node)) for node in _list(holder, "suggestions"))


def _leads_to(suggestion: Fields) -> str:
    """Where an action leads: its address or number, else its name and what is sent back."""
    dial = _text(suggestion.get("dial") or {}, "phonenumber")
    back = " ".join(filter(None, [_text(suggestion, "action"), _text(suggestion, "postbackdata")]))
    return _text(suggestion, "url") or dial or back


def _file(media: Fields) -> str:
    return " ".join(filter(None, (_text(media, name) for name in ("mimetype", "medianame", "mediauri"))))


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _list(fields: Fields, name: str) -> list[Fields]:
    return fields.get(name) or []


def _lowered(value: Any) -> Any:
    """The same with its names in lower case: they come in any."""
    if isinstance(value, dict):
        return {name.lower(): _lowered(member) for name, member in value.items()}
    return [_lowered(member) for member in value] if isinstance(value, list) else value
