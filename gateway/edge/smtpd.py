"""Mail in: one listening address that takes messages by SMTP and hands each to `accept`."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from gateway.edge.admission import Admission
from gateway.edge.budget import MemoryBudget
from gateway.edge.dialogue import Dialogue
from gateway.edge.door import Door
from gateway.edge.queue_id import PROCESSES, QueueIds
from gateway.edge.service import RESERVE, Accept, Admit, Service
from gateway.edge.tls import Certificate
from gateway.journal import Journal
from gateway.settings import Limits, Listener, split_host_port

BACKLOG = 1024
GRACE = 5.0
"""Seconds that messages already in our hands get beyond the time given to drain."""


class Receiver:
    """One listener. `accept` gets whole messages, `admit` one recipient at a time at RCPT.

    `accept` is never cancelled by what a client does, and only its Reply answers the final dot.
    Share `budget`, `admission` and `ids` among all receivers of a process.
    """

    def __init__(
        self,
        *,
        listener: Listener,
        hostname: str,
        limits: Limits,
        accept: Accept,
        admit: Admit,
        budget: MemoryBudget,
        journal: Journal,
        smtputf8: Callable[[], bool],
        spool: Path,
        clock: Callable[[], datetime],
        admission: Admission | None = None,
        ids: QueueIds | None = None,
        reserve: int = RESERVE,
    ) -> None:
        """`admit`: None welcomes the recipient. Raises OSError if the certificate is unusable."""
        self._listener = listener
        self._server: asyncio.Server | Door | None = None
        self._service = Service(
            hostname=hostname,
            limits=limits,
            accept=accept,
            admit=admit,
            budget=budget,
            admission=admission
            or Admission(
                limits.connections, limits.connections_per_client, loopback=limits.loopback
            ),
            journal=journal,
            smtputf8=smtputf8,
            spool=spool,
            clock=clock,
            ids=ids or QueueIds(secrets.randbelow(PROCESSES)),
            certificate=Certificate(listener.tls) if listener.tls else None,
            require_tls=listener.require_tls,
            reserve=reserve,
        )

    async def start(self, *, reuse_port: bool = False) -> str:
        """Listen; gives the bound `host:port`. Raises OSError if the address cannot be had."""
        service = self._service
        service.spool.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        service.prepare(loop)
        host, port = split_host_port(self._listener.address)
        self._server = server = await self._open(loop, host, port, reuse_port=reuse_port)
        bound = server.sockets[0].getsockname()
        address = f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"
        service.journal.listening(self._listener.protocol, address)
        return address

    async def _open(
        self, loop: asyncio.AbstractEventLoop, host: str, port: int, *, reuse_port: bool
    ) -> asyncio.Server | Door:
        service, listener = self._service, self._listener
        if not (listener.proxy_from or listener.implicit_tls):
            return await loop.create_server(
                lambda: Dialogue(service, loop),
                host,
                port,
                backlog=BACKLOG,
                reuse_port=reuse_port or None,
            )
        door = Door(
            service,
            lambda client_ip: Dialogue(service, loop, client_ip),
            proxies=listener.proxy_from,
            implicit_tls=listener.implicit_tls,
        )
        await door.open(host, port, backlog=BACKLOG, reuse_port=reuse_port)
        return door

    def reload_tls(self) -> None:
        """Show the certificate that the files hold now; on OSError the old one stays."""
        if self._service.certificate:
            self._service.certificate.reload()

    async def drain(self, seconds: float) -> None:
        """Take no more connections, end idle sessions, let messages in DATA finish until then."""
        service = self._service
        service.draining = True
        if self._server:
            self._server.close()
        for session in tuple(service.open):
            session.drain()
        if await self._all_gone(seconds):
            return
        for session in tuple(service.open):
            session.cut()
        await self._all_gone(GRACE)

    async def _all_gone(self, seconds: float) -> bool:
        service = self._service
        if service.open:
            service.all_over.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(service.all_over.wait(), seconds)
        return not service.open
