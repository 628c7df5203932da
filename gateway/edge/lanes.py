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


class Lanes:
    """By next hop and, for straight delivery, the recipients' domain; else that is empty."""

    def __init__(self, breaker: BreakerPolicy, batch: int) -> None:
        self._breaker = breaker
        self._batch = batch
        self._lanes: dict[tuple[str, str], Lane] = {}

    def __iter__(self) -> Iterator[Lane]:
        return iter(tuple(self._lanes.values()))

    def find(self, name: str) -> Lane | None:
        return self._lanes.get((name, ""))

    def with_room(self, name: str, domain: str) -> Lane | None:
        """The lane for one more letter; None if it is too full even for one that is pressed."""
        lane = self._lanes.get((name, domain))
        if lane is None:
            lane = self._lanes[name, domain] = Lane(name, self._breaker, domain)
        if len(lane.queue) >= lane.connections + (QUEUE if domain else self._batch):
            return None
        lane.used = asyncio.get_running_loop().time()
        return lane

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
