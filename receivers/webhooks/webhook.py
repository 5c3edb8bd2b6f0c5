"""What a request of CM's is, by its path, its query and the first byte of its body."""

from __future__ import annotations

from typing import NamedTuple

from cmqueue.inlet import Brought, Form, Kind
from config.settings import ALIAS
from listening.turned_down import TurnedDown

_KINDS = {"status": Kind.STATUS, "inbound": Kind.INBOUND, "events": Kind.EVENT}
_ACCOUNT = b"account"
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_LOOKED_AT = 1024  #: bytes in which the first one that is no space is looked for


class Address(NamedTuple):
    """Where a request is addressed to. The secret is what it says, right or wrong."""

    kind: Kind
    secret: str

    def __repr__(self) -> str:
        return f"Address({self.kind.value})"


def address_of(path: str) -> Address | None:
    """The address that `path` is; None for every other path."""
    match path.split("/"):
        case ["", "cm", word, secret] if word in _KINDS and secret:
            return Address(_KINDS[word], secret)
        case _:
            return None


def methods_of(kind: Kind) -> tuple[str, ...]:
    """What may be done there. GET is the old form of status reports (docs.cm.nl/http_SR.pdf)."""
    return ("GET", "POST") if kind is Kind.STATUS else ("POST",)


def split_query(query: bytes) -> tuple[str, bytes]:
    """The account that the query names, or "", and the rest as it is. Raises TurnedDown."""
    accounts, rest = [], []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name == _ACCOUNT:
            accounts.append(value.decode("latin-1"))
        elif part:
            rest.append(part)
    if len(accounts) > 1 or not all(ALIAS.fullmatch(alias) for alias in accounts):
        raise TurnedDown(400, "account: one alias of an account is expected")
    return "".join(accounts), b"&".join(rest)


def got(kind: Kind, query: bytes) -> Brought:
    """What a GET brings: its query is the report. Raises TurnedDown where it has none."""
    account, body = split_query(query)
    return _with_body(kind, Form.GET, account, body)


def posted(kind: Kind, query: bytes, content_type: str, body: bytes) -> Brought:
    """What a POST brings. Raises TurnedDown where its body is empty."""
    account, _ = split_query(query)
    return _with_body(kind, form_of(content_type, body), account, body)


def form_of(content_type: str, body: bytes) -> Form:
    """By what the head says, else by the first byte that is no space."""
    media_type = content_type.partition(";")[0].lower()
    if "json" in media_type:
        return Form.JSON
    begin = body[:_LOOKED_AT].removeprefix(_BOM).lstrip(_SPACE)
    return Form.XML if "xml" in media_type or begin.startswith(b"<") else Form.JSON


def _with_body(kind: Kind, form: Form, account: str, body: bytes) -> Brought:
    if not body:
        raise TurnedDown(400, "There is nothing in it")
    return Brought(kind=kind, form=form, account=account, body=body)
