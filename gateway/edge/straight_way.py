"""Room in the lanes for letters that are just being kept: they go out as soon as they are on disk,
leased to this process from the first, and nobody need claim them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from gateway.edge.lane import Lane
from gateway.edge.lanes import Lanes
from gateway.plan import Letter
from gateway.settings import NextHop


class StraightWay:
    """`hops` gives a next hop's present configuration by name, None when there is none any more.

    `room`: for how many letters at a time; `ask`: it is time to see what waits in the store.
    """

    def __init__(
        self,
        lanes: Lanes,
        hops: Callable[[str], NextHop | None],
        *,
        room: Callable[[], int],
        ask: Callable[[], None],
    ) -> None:
        self._lanes = lanes
        self._hops = hops
        self._room = room
        self._ask = ask
        self._reserved: dict[str, Lane] = {}
        """Where letters come that are just being kept, by their id."""
        self._none_left = asyncio.Event()

    def offer(self, letters: Sequence[Letter]) -> frozenset[str]:
        """Hold room for those that may go straight; gives their ids.

        A letter for a next hop that is full, out of order or not configured waits for its turn in
        the store, and so do all that would overtake it there.
        """
        taken = []
        for letter in letters:
            lane = self._reserve(letter)
            if lane is None:
                continue
            self._reserved[letter.id] = lane
            taken.append(letter.id)
            if self._lanes.half_spent(lane):
                self._ask()
        return frozenset(taken)

    def _reserve(self, letter: Letter) -> Lane | None:
        if letter.hold or letter.waits_for or letter.kind == "acknowledgement":
            return None
        hop = self._hops(letter.next_hop)
        if hop is None or hop.is_direct or len(self._reserved) >= self._room():
            return None
        return self._lanes.reserve(letter.next_hop)

    def lane(self, letter_id: str) -> Lane | None:
        """Where room is held for a letter."""
        return self._reserved.get(letter_id)

    def withdraw(self, letters: Sequence[Letter]) -> None:
        """No room is held for them any more."""
        for letter in letters:
            lane = self._reserved.pop(letter.id, None)
            if lane is not None:
                lane.reserved -= 1
        if not self._reserved:
            self._none_left.set()

    async def drain(self, end: float) -> None:
        """Until room is held for none, or the loop's time is `end`."""
        if not self._reserved:
            return
        self._none_left.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                await self._none_left.wait()
