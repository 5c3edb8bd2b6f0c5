"""Contacts: cards of an address book, on WhatsApp."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, ClassVar

from cmqueue.rich.item import Item
from cmqueue.rich.part import Members, Part
from cmqueue.rich.value import Characters, Choice, Day

Line = Annotated[str, Characters()]
Where = Annotated[str, Choice("HOME", "WORK")]


class ContactName(Part):
    """`formatted_name` is the whole name as it is shown."""

    camel: ClassVar[bool] = False

    formatted_name: Line
    first_name: Line | None = None
    last_name: Line | None = None
    middle_name: Line | None = None
    name_prefix: Line | None = None
    name_suffix: Line | None = None


class ContactAddress(Part):
    """A postal address. `country_code` has two letters."""

    camel: ClassVar[bool] = False

    street: Line | None = None
    city: Line | None = None
    state: Line | None = None
    zip: Line | None = None
    country: Line | None = None
    country_code: Line | None = None
    type: Where | None = None


class ContactEmail(Part):
    """An email address."""

    email: Line
    type: Where | None = None


class ContactPhone(Part):
    """A phone number, as it is shown."""

    phone: Line
    type: Annotated[str, Choice("CELL", "MAIN", "IPHONE", "HOME", "WORK")] | None = None


class ContactUrl(Part):
    """A web site."""

    url: Line
    type: Where | None = None


class ContactOrganization(Part):
    """Where somebody works."""

    company: Line | None = None
    department: Line | None = None
    title: Line | None = None


class Contact(Part):
    """One card. WhatsApp shows none without a name."""

    name: ContactName
    org: ContactOrganization | None = None
    birthday: Annotated[date | str, Day()] | None = None
    phones: Annotated[Sequence[ContactPhone], Members()] = ()
    emails: Annotated[Sequence[ContactEmail], Members()] = ()
    urls: Annotated[Sequence[ContactUrl], Members()] = ()
    addresses: Annotated[Sequence[ContactAddress], Members()] = ()


class Contacts(Item):
    """One card or more."""

    known_by: ClassVar[str] = "contacts"

    contacts: Annotated[Sequence[Contact], Members(least=1)]
