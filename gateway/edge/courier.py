"""Carries one letter to its next hop: looks it up, asks its breaker, uses its transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

from gateway.edge.book import Tried
from gateway.edge.direct import Atlas, Direct, domain_of
from gateway.edge.lane import Lane
from gateway.edge.limiter import AlertLimiter
from gateway.edge.maildir import Maildir
from gateway.edge.smtp_client import SmtpClient
from gateway.edge.transport import Progress, Sent, Transport, everyone
from gateway.journal import Journal
from gateway.reply import Reply
from gateway.resolver import Resolver
from gateway.settings import NextHop
from gateway.store import Job

ATLASES = 16
NO_SUCH_HOP = Reply(451, "4.3.5", "This next hop is not configured any more")
SUSPENDED = Reply(451, "4.4.1", "The next hop is out of order and is not asked for a while")


class Transports:
    """Makes the way to a next hop by its address."""

    def __init__(self, hostname: str, journal: Journal, resolver: Resolver | None) -> None:
        self._hostname = hostname
        self._journal = journal
        self._resolver = resolver
        self._atlases: dict[NextHop, Atlas] = {}

    def __call__(self, hop: NextHop) -> Transport:
        path = hop.maildir
        if path is not None:
            return Maildir(
                path,
                self._hostname,
                trouble=lambda error: self._journal.trouble("maildir", error),
                limit=hop.timeout.total_seconds(),
                threads=hop.connections,
            )
        if not hop.is_direct:
            return SmtpClient(hop, self._hostname)
        if self._resolver is None:
            raise ValueError("straight delivery wants a resolver")
        if hop not in self._atlases:
            if len(self._atlases) >= ATLASES:  # left over from reloads
                self._atlases.clear()
            self._atlases[hop] = Atlas(hop, self._hostname, self._resolver)
        return Direct(hop, self._hostname, self._atlases[hop])


class Courier:
    """`hops` gives a next hop by name as it is configured now; `recovered` hears of news about one.

    A next hop that vanished from the configuration delays its letters, since it may come back.
    """

    def __init__(
        self,
        *,
        hops: Callable[[str], NextHop | None],
        transport: Callable[[NextHop], Transport],
        journal: Journal,
        alerts: AlertLimiter,
        clock: Callable[[], datetime],
        recovered: Callable[[Lane], None],
    ) -> None:
        self._hops = hops
        self._make_transport = transport
        self._journal = journal
        self._alerts = alerts
        self._clock = clock
        self._recovered = recovered
        self._farewells: set[asyncio.Task[None]] = set()

    def domain(self, job: Job) -> str:
        """The domain whose lane a letter takes; empty where its next hop is one for all."""
        hop = self._hops(job.next_hop)
        return domain_of(job.recipients[0]) if hop is not None and hop.is_direct else ""

    def look_up(self, lane: Lane) -> Transport | None:
        """The lane's transport, a new one when its next hop was configured anew."""
        hop = self._hops(lane.name)
        if hop is None:
            return None
        transport, old = lane.transport(hop, self._make_transport)
        if old is not None:
            self._say_farewell(old)
        return transport

    def part_from(self, lane: Lane) -> None:
        """Nothing more is sent there for now."""
        transport = lane.take_transport()
        if transport is not None:
            self._say_farewell(transport)

    def _say_farewell(self, transport: Transport) -> None:
        farewell = asyncio.create_task(transport.close())
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)

    async def carry(self, lane: Lane, job: Job, progress: Progress) -> Tried:
        """One attempt. Raises only for a fault of ours, or when cancelled."""
        transport = self.look_up(lane)
        if transport is None:
            self._alerts.alert("next hop unknown", self._clock(), lane.name)
            return Tried(Sent(everyone(job, "delayed", NO_SUCH_HOP)), only_hold=True)
        breaker = lane.breaker
        if not job.pressed and not breaker.lets_through(self._clock()):
            suspended = Sent(everyone(job, "delayed", SUSPENDED), hop_failed=True)
            return Tried(suspended, breaker.until)
        try:
            sent = await transport.send(job, progress)
        except BaseException:
            breaker.abandoned()
            raise
        for remark in sent.remarks:
            self._journal.remarked(job.letter_id, lane.name, remark)
        self._judge(lane, job, sent)
        return Tried(sent, breaker.until if sent.went_wrong else None)

    def _judge(self, lane: Lane, job: Job, sent: Sent) -> None:
        """What an attempt says about the next hop."""
        if sent.went_wrong:
            opened = lane.breaker.failed(self._clock(), job.letter_id)
            if opened and not lane.domain:  # a stranger's server is no trouble of ours
                self._alerts.alert("next hop out of order", self._clock(), lane.name)
        elif lane.breaker.succeeded() and not lane.domain:
            self._journal.lifecycle("next hop answers again", next_hop=lane.name)
        else:
            return
        self._recovered(lane)

    async def close(self, lanes: Iterable[Lane]) -> None:
        transports = [lane.take_transport() for lane in lanes]
        await asyncio.gather(*(each.close() for each in transports if each is not None))
        await asyncio.gather(*self._farewells)
