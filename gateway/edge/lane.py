"""One next hop as the relay sees it: the letters in hand for it, its transport and its breaker.

Straight delivery (`mx:`) has a lane for each domain, so that one that hangs holds up no other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime

from gateway.edge.breaker import Breaker, BreakerPolicy
from gateway.edge.transport import Transport
from gateway.settings import NextHop
from gateway.store import Job

POLITE = 3
"""Connections at a time to the mail servers of one foreign domain."""


class Lane:
    """Letters wait here only for a free connection: few, and in no other lane's way."""

    def __init__(self, name: str, breaker: BreakerPolicy, domain: str = "") -> None:
        self.name = name
        self.domain = domain
        """The recipients' domain, where each has a lane of its own."""
        self.breaker = Breaker(breaker)
        self.queue: deque[Job] = deque()
        self.workers = 0
        self.used = 0.0
        """When a letter came into it, in the loop's time."""
        self.endings = 0
        """Attempts that are over but not yet written down."""
        self.left_out = False
        """The last claim was told to give no more letters of this lane."""
        self.reserved = 0
        """Letters that are just being kept, and come here as soon as that is on disk."""
        self.credit = 0
        """Letters that may still come straight, before the store is asked what waits there."""
        self.asked = False
        """The store is being asked, and no letter was left to it for this lane since."""
        self._hop: NextHop | None = None
        self._transport: Transport | None = None

    def add(self, job: Job) -> None:
        if job.pressed:
            self.queue.appendleft(job)
        else:
            self.queue.append(job)

    @property
    def full(self) -> bool:
        """As many wait as can be under way: no more are claimed."""
        return len(self.queue) >= self.connections

    @property
    def in_hand(self) -> int:
        """Letters that wait or are under way."""
        return len(self.queue) + self.workers

    @property
    def connections(self) -> int:
        if self._hop is None:
            return 1
        return min(self._hop.connections, POLITE) if self.domain else self._hop.connections

    @property
    def idle(self) -> bool:
        """Nothing is under way."""
        return not (self.queue or self.workers or self.endings or self.reserved)

    @property
    def takes_utf8(self) -> bool:
        return self._transport is not None and self._transport.takes_utf8

    def width(self, now: datetime) -> int:
        """How many letters may be under way at once: one when it decides about the next hop."""
        if self.breaker.half_open(now) and not (self.queue and self.queue[0].pressed):
            return 1
        return self.connections

    def transport(
        self, hop: NextHop, make: Callable[[NextHop], Transport]
    ) -> tuple[Transport, Transport | None]:
        """The transport for the next hop as it is configured now; and one to close, if it changed.

        A changed next hop starts with a closed breaker.
        """
        if self._transport is not None and self._hop == hop:
            return self._transport, None
        old, self._transport = self._transport, make(hop)
        if old is not None:
            self.breaker.succeeded()
        self._hop = hop
        return self._transport, old

    def take_transport(self) -> Transport | None:
        """For closing at the end."""
        transport, self._transport = self._transport, None
        return transport
