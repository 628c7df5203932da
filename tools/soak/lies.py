"""Faults put into the gateway on purpose: a harness that does not find them proves nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.edge.smtp_session import Session
from gateway.store.sqlite import SqliteStore

_background: set[asyncio.Task[Any]] = set()


def promise_early() -> None:
    """250 before the message is on disk."""
    keep = SqliteStore.keep

    async def hasty(self: SqliteStore, *arguments: Any) -> frozenset[str]:
        async def later() -> None:
            await asyncio.sleep(0.05)
            await keep(self, *arguments)

        task = asyncio.create_task(later())
        _background.add(task)
        task.add_done_callback(_background.discard)
        return frozenset()

    SqliteStore.keep = hasty  # type: ignore[method-assign]


def _twice(kind: str) -> None:
    deliver = Session.deliver

    async def again(self: Any, job: Any, progress: Any) -> Any:
        sent = await deliver(self, job, progress)
        if job.kind == kind and sent.outcomes[0].result == "relayed":
            return await deliver(self, job, progress)
        return sent

    Session.deliver = again  # type: ignore[method-assign]


LIES = {
    "promise early": promise_early,
    "deliver twice": lambda: _twice("letter"),
    "acknowledge twice": lambda: _twice("acknowledgement"),
}
