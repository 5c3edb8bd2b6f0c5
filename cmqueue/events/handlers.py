"""Handlers: functions of the app that a worker process calls with each event they ask for.

    from cmqueue import on

    @on("message.delivered", "message.failed")
    def tell_the_shop(event): ...

The modules that hold them are named in `CMQUEUE_HANDLERS`. A handler is called at least once for an event, so
one that must not count twice goes by `event.id`. One that raises is called again, by
`CMQUEUE_HANDLER_SCHEDULE`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from cmqueue.events.event import Event
from cmqueue.events.types import types_of

F = TypeVar("F", bound=Callable[[Event], Any])


class Handler(NamedTuple):
    """A function, the types of events that it asks for, and the name that its retries are kept under."""

    name: str
    types: frozenset[str]
    call: Callable[[Event], Any]

    @property
    def target(self) -> str:
        """What its calls in Redis are kept under."""
        return f"handler:{self.name}"


class Handlers:
    """A registry of handlers; `cmqueue.on` is the one that workers read."""

    def __init__(self) -> None:
        self._known: dict[str, Handler] = {}

    def __call__(self, *patterns: str) -> Callable[[F], F]:
        """Register a function for types of events or patterns of them: `message.delivered`, `message.*`, `*`.

        Raises ValueError for a pattern that names no event and for a second handler of one name, TypeError
        for what is no plain function.
        """
        if not patterns or not all(isinstance(pattern, str) for pattern in patterns):
            raise TypeError('name the events: @on("message.delivered")')
        types = types_of(patterns)

        def register(function: F) -> F:
            if not inspect.isfunction(function) or inspect.iscoroutinefunction(function):
                raise TypeError("a handler is a plain function, not a coroutine")
            handler = Handler(f"{function.__module__}.{function.__qualname__}", types, function)
            before = self._known.get(handler.name)
            if before is not None and not _same_place(before.call, function):
                raise ValueError(f"there is a handler called {handler.name} already")
            self._known[handler.name] = handler
            return function

        return register

    @property
    def all(self) -> list[Handler]:
        """Every handler, in the order of registration."""
        return list(self._known.values())

    def clear(self) -> None:
        """Forget all; for tests."""
        self._known.clear()


def _same_place(one: Any, other: Any) -> bool:
    """Whether two functions are one that was loaded twice."""
    return bool(
        (one.__code__.co_filename, one.__code__.co_firstlineno)
        == (other.__code__.co_filename, other.__code__.co_firstlineno)
    )


on = Handlers()
