"""What the verbs have in common: their options, and errors that repeat no value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from cmqueue.identity import Identity
from cmqueue.lane import Guarantee, Lane

F = TypeVar("F", bound=Callable[..., Any])

LONGEST_LIFE = 366 * 24 * 3600  #: seconds, as `cmqueue.message` has it; that module is slow to load
_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,32}")
_COUNT = re.compile(r"[0-9]{1,9}")
_OPTION = re.compile(r"-[A-Za-z]|--[a-z][a-z-]{1,23}")


class Verb(click.Command):
    """A command that does not repeat superfluous arguments in its error: they may be words of a text."""

    allow_extra_args = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            has_text = any(param.name == "text" for param in self.params)
            ctx.fail("got too many arguments" + ("; put TEXT in quotes" if has_text else ""))
        return rest


def without_values(error: click.UsageError) -> str:
    """What is wrong, in one line. A mistyped option may be a text that begins with a dash."""
    if isinstance(error, click.NoSuchOption) and not _OPTION.fullmatch(error.option_name):
        return "there is no such option; put -- before a TEXT that begins with a dash"
    message = " ".join(error.format_message().split()).rstrip(".")
    return message[:1].lower() + message[1:]


# Callbacks instead of click's types, whose errors repeat the value.


def _seconds(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_LIFE:
        raise click.BadParameter(f"must be seconds, more than 0 and at most {LONGEST_LIFE}")
    return seconds


def _alias(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not _ALIAS.fullmatch(value):
        raise click.BadParameter("must be 1 to 32 letters, digits, hyphens or underscores")
    return value


def _alias_or_none(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    return None if value is None else _alias(ctx, param, value)


def _count(_ctx: click.Context, _param: click.Parameter, value: str) -> int:
    if not _COUNT.fullmatch(value):
        raise click.BadParameter("must be a whole number, 0 or more")
    return int(value)


class OneOf:
    """The callback of an option that takes one of some names."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)
        self.metavar = "|".join(self.names)

    def __call__(self, _ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
        if value is not None and value not in self.names:
            raise click.BadParameter(f"must be one of {', '.join(self.names)}")
        return value


a_lane = OneOf(each.value for each in Lane)
a_guarantee = OneOf(each.value for each in Guarantee)

account = click.option(
    "--account",
    callback=_alias,
    default="default",
    show_default=True,
    metavar="ALIAS",
    help="Whose: the alias of a CM product token.",
)


def an_account(help: str) -> Callable[[F], F]:
    """The option --account of what concerns all of them without it."""
    return click.option("--account", callback=_alias_or_none, metavar="ALIAS", help=help)


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
limit = click.option(
    "--limit",
    callback=_count,
    default="100",
    show_default=True,
    metavar="N",
    help="At most N; 0 for all.",
)
opaque = click.option(
    "--id", "opaque", is_flag=True, help="NUMBER is an id of its channel's own, not a phone number."
)
only_lane = click.option("--lane", callback=a_lane, metavar=a_lane.metavar, help="Only those of one lane.")


def expires_in(help: str) -> Callable[[F], F]:
    """The option --expires-in."""
    return click.option("--expires-in", callback=_seconds, metavar="S", help=help)


def lane(default: Lane) -> Callable[[F], F]:
    """The option --lane of what enqueues."""
    return click.option(
        "--lane",
        callback=a_lane,
        default=default.value,
        show_default=True,
        metavar=a_lane.metavar,
        help="How urgent it is.",
    )


guarantee = click.option(
    "--guarantee",
    callback=a_guarantee,
    metavar=a_guarantee.metavar,
    help="Whether to resend when nobody knows if CM took it; else the lane decides.",
)


def shown(id: str) -> str:
    """An id as given, if it is one: it might be a number, put in the wrong place."""
    identity = Identity.parse(id)
    return "".join(identity) if identity else "(not an id)"
