"""The outbox for asyncio: the same calls, made in threads so that no event loop waits for Redis.

The threads are its own. The event loop's, which also resolve names, would all be taken while Redis is away.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from itertools import islice
from typing import Any, ParamSpec, Self, TypeVar

from cmqueue.audit import Audit
from cmqueue.events.event import Event
from cmqueue.message import Content, Message
from cmqueue.outbox import Cancellation, Outbox
from cmqueue.receipt import Broadcast, Receipt, Refusal
from cmqueue.settings import DEFAULT_ACCOUNT, LibrarySettings
from cmqueue.state import State
from cmqueue.status import Status

PAGE = 500  #: results fetched at once: a thread hop per message would cost more than the message
THREADS = 16  #: calls at once; more of them wait

P = ParamSpec("P")
T = TypeVar("T")


class AsyncOutbox:
    """Mirrors Outbox; arguments, results and errors are the same. `outbox` is the one that does the work.

    A call that is cancelled goes on in its thread: whether its message was enqueued is then unknown, and an
    idempotency key makes it safe to ask again.
    """

    def __init__(self, settings: LibrarySettings) -> None:
        self._begin(Outbox(settings))

    def _begin(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self._threads: ThreadPoolExecutor | None = None
        self._pid = 0

    async def _in_thread(self, call: Callable[P, T], /, *given: P.args, **named: P.kwargs) -> T:
        """What `call` gives, or raises, in a thread that has the caller's context."""
        threads = self._threads
        if threads is None or self._pid != os.getpid():  # a fork takes no threads along
            threads = self._threads = ThreadPoolExecutor(THREADS, "cmqueue-async")
            self._pid = os.getpid()
        work = partial(copy_context().run, call, *given, **named)
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    @classmethod
    def of(cls, outbox: Outbox) -> Self:
        """The asynchronous side of an outbox that exists, such as a test's; closing one closes both."""
        made = cls.__new__(cls)
        made._begin(outbox)  # noqa: SLF001 - its own
        return made

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """An outbox by the environment's settings. Raises SettingsError, naming the variable."""
        return cls(LibrarySettings.from_env(env))

    @property
    def settings(self) -> LibrarySettings:
        return self.outbox.settings

    async def close(self) -> None:
        """Give the connections back."""
        await self._in_thread(self.outbox.close)
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def enqueue(
        self,
        message: Message | Mapping[str, Any],
        *,
        lane: str = "normal",
        account: str = DEFAULT_ACCOUNT,
        **options: Any,
    ) -> Receipt:
        """As `Outbox.enqueue`."""
        return await self._in_thread(self.outbox.enqueue, message, lane=lane, account=account, **options)

    async def enqueue_many(
        self,
        messages: Iterable[Message | Mapping[str, Any]],
        *,
        lane: str = "normal",
        account: str = DEFAULT_ACCOUNT,
        all_or_nothing: bool = False,
        **options: Any,
    ) -> AsyncIterator[Receipt | Refusal]:
        """As `Outbox.enqueue_many`, but nothing is checked before the first result is asked for.

        `messages` are iterated in a thread, one at a time.
        """
        results = await self._in_thread(
            self.outbox.enqueue_many,
            messages,
            lane=lane,
            account=account,
            all_or_nothing=all_or_nothing,
            **options,
        )
        while True:
            page, failure = await self._in_thread(_page, results)
            for result in page:
                yield result
            if failure is not None:
                raise failure
            if not page:
                return

    async def broadcast(
        self,
        content: Content | Mapping[str, Any],
        recipients: Iterable[str],
        *,
        lane: str = "bulk",
        account: str = DEFAULT_ACCOUNT,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Broadcast:
        """As `Outbox.broadcast`. `recipients` are iterated in a thread."""
        return await self._in_thread(
            self.outbox.broadcast,
            content,
            recipients,
            lane=lane,
            account=account,
            idempotency_key=idempotency_key,
            **options,
        )

    async def status(self, id: str) -> Status | None:
        """As `Outbox.status`."""
        return await self._in_thread(self.outbox.status, id)

    async def states(self, ids: Sequence[str]) -> list[State | None]:
        """As `Outbox.states`."""
        return await self._in_thread(self.outbox.states, ids)

    async def explain(self, id: str) -> str | None:
        """As `Outbox.explain`."""
        return await self._in_thread(self.outbox.explain, id)

    async def cancel(self, id: str) -> Cancellation:
        """As `Outbox.cancel`."""
        return await self._in_thread(self.outbox.cancel, id)

    async def wake_errand(self, name: str) -> bool:
        """As `Outbox.wake_errand`."""
        return await self._in_thread(self.outbox.wake_errand, name)

    async def events(
        self, subscriber: str, *, types: Iterable[str] | None = None, wait: float | None = None
    ) -> AsyncIterator[Event]:
        """As `Outbox.events`, but it subscribes when the first event is asked for.

        A loop that is left early should close it (`contextlib.aclosing`), so that what it did not get to is
        given to another reader at once.
        """
        events = await self._in_thread(self.outbox.events, subscriber, types=types, wait=wait)
        try:
            while (event := await self._in_thread(next, events, None)) is not None:
                yield event
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                await self._in_thread(close)

    async def redis_setting(self, name: str) -> str:
        """As `Outbox.redis_setting`."""
        return await self._in_thread(self.outbox.redis_setting, name)

    async def audit(self, *, recount: bool = False) -> Audit:
        """As `Outbox.audit`."""
        return await self._in_thread(self.outbox.audit, recount=recount)


def _page(results: Iterator[Receipt | Refusal]) -> tuple[list[Receipt | Refusal], Exception | None]:
    """Some results, and what then went wrong: it is raised once those before it are out."""
    page: list[Receipt | Refusal] = []
    try:
        page.extend(islice(results, PAGE))
    except Exception as error:  # noqa: BLE001 - of any kind, for the messages come from the caller
        return page, error
    return page, None
