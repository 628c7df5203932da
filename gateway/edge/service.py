"""What all SMTP sessions of one listener share, and what they say in common."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import aiosmtpd.smtp

from gateway.edge.admission import Admission
from gateway.edge.budget import MemoryBudget
from gateway.edge.queue_id import QueueIds
from gateway.edge.tls import Certificate
from gateway.journal import Journal
from gateway.message import Arrival, Session
from gateway.reply import Reply
from gateway.settings import Limits

RESERVE = 64 << 20

Accept = Callable[[Arrival], Awaitable[Reply]]
"""Takes one whole message; its Reply answers the final dot."""
Admit = Callable[[str, Session], Reply | None]
"""Judges one recipient at RCPT; None welcomes it."""


class Drainable(Protocol):
    """A session, as far as the listener must know it."""

    def drain(self) -> None: ...
    def cut(self) -> None: ...


@dataclass(eq=False)
class Service:
    hostname: str
    limits: Limits
    accept: Accept
    admit: Admit
    budget: MemoryBudget
    admission: Admission
    journal: Journal
    smtputf8: Callable[[], bool]
    spool: Path
    clock: Callable[[], datetime]
    ids: QueueIds
    certificate: Certificate | None = None
    require_tls: bool = False
    reserve: int = RESERVE
    """Octets of disk that stay free."""
    draining: bool = False
    open: set[Drainable] = field(default_factory=set)
    """The sessions that are not over."""
    all_over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever the last open session ends."""

    def __post_init__(self) -> None:
        self.idle = self.limits.idle.total_seconds()
        self.data_total = self.limits.data_total.total_seconds()
        self.session = self.limits.session.total_seconds()
        self.greeting = f"220 {self.hostname} ESMTP\r\n".encode()
        self.hello = f"250 {self.hostname}\r\n".encode()
        self.extended_hello = {
            (tls, utf8): _extended_hello(
                self.hostname, self.limits.message_size, tls=tls, utf8=utf8
            )
            for tls in (False, True)
            for utf8 in (False, True)
        }
        """The reply to EHLO, by whether STARTTLS and SMTPUTF8 are offered."""
        self.template: dict[str, Any] = {}

    def prepare(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let aiosmtpd look through its class once, not for each connection (12 % of its time)."""
        self.template = vars(aiosmtpd.smtp.SMTP(None, hostname=self.hostname, loop=loop)).copy()

    def has_room(self, octets: int) -> bool:
        """Whether content of this size fits on the disk, and the reserve stays free (RFC 1870)."""
        disk = os.statvfs(self.spool)
        return disk.f_bavail * disk.f_frsize >= octets + self.reserve

    def begin(self, session: Drainable) -> None:
        self.open.add(session)

    def end(self, session: Drainable, client_ip: str) -> None:
        self.admission.leave(client_ip)
        self.open.discard(session)
        if not self.open:
            self.all_over.set()


def _extended_hello(hostname: str, size: int, *, tls: bool, utf8: bool) -> bytes:
    """Only what is built is announced."""
    words = [hostname, "PIPELINING", f"SIZE {size}"]
    words += ["STARTTLS"] if tls else []
    words += ["SMTPUTF8"] if utf8 else []
    words += ["DSN", "8BITMIME", "ENHANCEDSTATUSCODES"]
    lines = [f"250-{word}\r\n" for word in words[:-1]] + [f"250 {words[-1]}\r\n"]
    return "".join(lines).encode()
