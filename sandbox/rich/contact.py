"""WhatsApp's contacts: cards for the recipient's address book (CM's SDKs)."""

from __future__ import annotations

import re
from datetime import date

from sandbox.rich.node import Node

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ADDRESS = ("city", "country", "country_code", "state", "street", "zip")
_NAME = ("first_name", "last_name", "middle_name", "name_prefix", "name_suffix")
_HOME_OR_WORK = frozenset({"home", "work"})
_PHONES = frozenset({"cell", "main", "iphone", "home", "work"})


def check_contacts(item: Node) -> None:
    """At least one contact, each with the name that is shown."""
    for contact in item.nodes("contacts", least=1):
        if name := contact.node("name", needed=True):
            name.text("formatted_name", needed=True)
            _texts(name, _NAME)
        if org := contact.node("org"):
            _texts(org, ("company", "department", "title"))
        _check_birthday(contact)
        for address in contact.nodes("addresses"):
            _texts(address, _ADDRESS)
            address.choice("type", _HOME_OR_WORK)
        for phone in contact.nodes("phones"):
            phone.text("phone", needed=True)
            phone.choice("type", _PHONES)
        for email in contact.nodes("emails"):
            email.text("email", needed=True)
            email.text("type")
        for url in contact.nodes("urls"):
            url.text("url", needed=True)
            url.text("type")


def _check_birthday(contact: Node) -> None:
    birthday = contact.match("birthday", _DATE, "a date as YYYY-MM-DD")
    try:
        date.fromisoformat(birthday or "2000-01-01")
    except ValueError:
        contact.refuse("is not a date that exists", "birthday")


def _texts(node: Node, names: tuple[str, ...]) -> None:
    for name in names:
        node.text(name)
