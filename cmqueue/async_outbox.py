"""The outbox for asyncio: the same calls, made in threads so that no event loop waits for Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Self

from cmqueue.audit import Audit
from cmqueue.message import Content, Message
from cmqueue.outbox import Cancellation, Outbox
from cmqueue.receipt import Broadcast, Receipt, Refusal
from cmqueue.settings import LibrarySettings
from cmqueue.status import Status


class AsyncOutbox:
    """Mirrors Outbox; arguments, results and errors are the same."""

    def __init__(self, settings: LibrarySettings) -> None:
        self.outbox = Outbox(settings)

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        return cls(LibrarySettings.from_env(env))

    async def close(self) -> None:
        await asyncio.to_thread(self.outbox.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def enqueue(self, message: Message | Mapping[str, Any], **options: Any) -> Receipt:
        return await asyncio.to_thread(self.outbox.enqueue, message, **options)

    async def enqueue_many(
        self, messages: Iterable[Message | Mapping[str, Any]], **options: Any
    ) -> AsyncIterator[Receipt | Refusal]:
        results = await asyncio.to_thread(self.outbox.enqueue_many, messages, **options)
        while (page := await asyncio.to_thread(_page, results)) != []:
            for result in page:
                yield result

    async def broadcast(
        self, content: Content | Mapping[str, Any], recipients: Iterable[str], **options: Any
    ) -> Broadcast:
        return await asyncio.to_thread(self.outbox.broadcast, content, recipients, **options)

    async def status(self, id: str) -> Status | None:
        return await asyncio.to_thread(self.outbox.status, id)

    async def explain(self, id: str) -> str | None:
        return await asyncio.to_thread(self.outbox.explain, id)

    async def cancel(self, id: str) -> Cancellation:
        return await asyncio.to_thread(self.outbox.cancel, id)

    async def audit(self, *, recount: bool = False) -> Audit:
        return await asyncio.to_thread(self.outbox.audit, recount=recount)


def _page(results: Any) -> list[Receipt | Refusal]:
    """Some results at once: a thread hop per message would cost more than the message."""
    return [result for _, result in zip(range(500), results, strict=False)]
