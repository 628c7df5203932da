"""All lanes of a relay: which there are, which are full, which may be forgotten."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

from gateway.edge.breaker import BreakerPolicy
from gateway.edge.lane import Lane

CROWD = 1000
"""Letters in hand for straight delivery, waiting or under way; beyond them no more are claimed, so
that domains made up for it, whose servers hang, take only so many of our connections."""
QUEUE = 16
"""Letters in hand for one domain of it: the next are put off, in nobody's way."""
IDLE = 60.0
"""Seconds after which a domain that nothing is sent to is forgotten."""
REMEMBER = 3600.0
"""The same for one that is out of order."""
MOST = 2000
"""Domains remembered; beyond them whatever is idle is forgotten at once."""
STRAIGHT = 64
"""Letters that may wait in a lane, besides one for each connection, when another comes straight."""


class Lanes:
    """By next hop and, for straight delivery, the recipients' domain; else that is empty."""

    def __init__(self, breaker: BreakerPolicy, batch: int) -> None:
        self._breaker = breaker
        self._batch = batch
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._nothing_waits = False
        """The store was asked last for all that is due, and gave it."""

    def __iter__(self) -> Iterator[Lane]:
        return iter(tuple(self._lanes.values()))

    def find(self, name: str) -> Lane | None:
        return self._lanes.get((name, ""))

    def with_room(self, name: str, domain: str) -> Lane | None:
        """The lane for one more letter; None if it is too full even for one that is pressed."""
        lane = self._lane(name, domain)
        room = lane.connections + (QUEUE if domain else self._batch)
        if len(lane.queue) + lane.reserved >= room:
            return None
        lane.used = asyncio.get_running_loop().time()
        return lane

    def _lane(self, name: str, domain: str) -> Lane:
        lane = self._lanes.get((name, domain))
        if lane is None:
            lane = self._lanes[name, domain] = Lane(name, self._breaker, domain)
            lane.credit = self._batch if self._nothing_waits else 0
        return lane

    # --- letters that come straight, past the store's own order ---

    def reserve(self, name: str) -> Lane | None:
        """Room in a next hop's lane for a letter that is about to be kept; None: it must wait for
        its turn in the store.

        New mail may not overtake what waits there for long. So whoever was refused stops all that
        come after it, and so many as a claim gives may go straight; then a claim must have given
        everything that is due for this lane, before others may.
        """
        lane = self._lane(name, "")
        room = lane.connections + min(STRAIGHT, self._batch)
        if lane.credit <= 0 or not lane.breaker.closed or len(lane.queue) + lane.reserved >= room:
            lane.credit, lane.asked = 0, False
            return None
        lane.credit -= 1
        lane.reserved += 1
        return lane

    def half_spent(self, lane: Lane) -> bool:
        """Half of what may go straight has gone: asked now, the store answers in time."""
        return lane.credit == self._batch // 2

    def asking(self) -> None:
        """The store is asked for what is due, for all lanes that are not marked as full."""
        self._nothing_waits = False
        for lane in self._lanes.values():
            lane.asked = not lane.left_out

    def answered(self, *, everything: bool) -> None:
        """It gave what it has; `everything`: no more was due for those lanes."""
        self._nothing_waits = everything
        if not everything:
            return
        for lane in self._lanes.values():
            if lane.asked:
                lane.credit = self._batch

    # --- what claims need to know ---

    def mark_full(self) -> frozenset[str]:
        """The next hops for which no more is to be claimed; their lanes are marked."""
        in_hand = Counter[str]()
        for lane in self._lanes.values():
            if lane.domain:
                in_hand[lane.name] += lane.in_hand
        for lane in self._lanes.values():
            lane.left_out = in_hand[lane.name] >= CROWD if lane.domain else lane.full
        return frozenset(lane.name for lane in self._lanes.values() if lane.left_out)

    def is_full(self, lane: Lane) -> bool:
        if not lane.domain:
            return lane.full
        lanes = (each for each in self._lanes.values() if each.name == lane.name)
        return sum(each.in_hand for each in lanes) >= CROWD

    def take_idle(self) -> list[Lane]:
        """Domains that nothing was sent to for a while; they are no lanes any more."""
        now = asyncio.get_running_loop().time()
        crowded = len(self._lanes) > MOST
        old = [
            key
            for key, lane in self._lanes.items()
            if lane.domain
            and lane.idle
            and (crowded or now - lane.used > (IDLE if lane.breaker.closed else REMEMBER))
        ]
        return [self._lanes.pop(key) for key in old]
