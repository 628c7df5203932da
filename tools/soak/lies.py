"""Faults put into the gateway on purpose.

Lies: a harness that does not find them proves nothing. Weaknesses: content that a worker dies of,
as some defect of tomorrow will make it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

import gateway.app
from gateway.edge.pulse import Pulse
from gateway.edge.smtp_session import Session
from gateway.pipeline import Pipeline
from gateway.store import Receipt
from gateway.store.common import CommonStore
from gateway.store.opening import store_path
from gateway.store.sqlite_session import Named

_background: set[asyncio.Task[Any]] = set()


def promise_early() -> None:
    """250 before the message is on disk."""
    keep = CommonStore.keep

    async def hasty(self: CommonStore, *arguments: Any) -> Receipt:
        async def later() -> None:
            await asyncio.sleep(0.05)
            await keep(self, *arguments[:3], ())

        task = asyncio.create_task(later())
        _background.add(task)
        task.add_done_callback(_background.discard)
        return Receipt()

    CommonStore.keep = hasty  # type: ignore[method-assign]


def _twice(kind: str) -> None:
    deliver = Session.deliver

    async def again(self: Any, job: Any, progress: Any) -> Any:
        sent = await deliver(self, job, progress)
        if job.kind == kind and sent.outcomes[0].result == "relayed":
            return await deliver(self, job, progress)
        return sent

    Session.deliver = again  # type: ignore[method-assign]


def look_unguarded() -> None:
    """The same, and nobody sees that the log is gone that he writes to."""
    Named.is_ours = lambda self: True  # type: ignore[method-assign]
    look_at_the_store()


def look_at_the_store() -> None:
    """A reload opens the store's file and closes it: so all locks on it are let go of."""
    reload = gateway.app.Gateway.reload

    async def curious(self: Any, settings: Any, *arguments: Any) -> None:
        store_path(settings).open("rb").close()
        await reload(self, settings, *arguments)

    gateway.app.Gateway.reload = curious  # type: ignore[method-assign]


def die_of_content() -> None:
    """Kill or stall the worker that examines or delivers certain words."""
    examine, deliver = Pipeline.examine, Session.deliver

    async def examining(self: Pipeline, message: Any) -> Any:
        content = bytes(message.arrival.content[:])
        if b"KILLS ITS READER" in content:
            os.kill(os.getpid(), signal.SIGKILL)
        if b"STALLS ITS READER" in content:
            time.sleep(10_000)  # noqa: ASYNC251 - that is the weakness
        return await examine(self, message)

    async def delivering(self: Session, job: Any, progress: Any) -> Any:
        if b"KILLS ITS CARRIER" in bytes(job.content[:]):
            os.kill(os.getpid(), signal.SIGKILL)
        return await deliver(self, job, progress)

    Pipeline.examine = examining  # type: ignore[method-assign]
    Session.deliver = delivering  # type: ignore[method-assign]
    Pulse.look = 0.25
    gateway.app.ALERTS_EVERY = 0.2


LIES = {
    "die of content": die_of_content,
    "promise early": promise_early,
    "look at the store": look_unguarded,
    "look at the store, on guard": look_at_the_store,
    "deliver twice": lambda: _twice("letter"),
    "acknowledge twice": lambda: _twice("acknowledgement"),
}
