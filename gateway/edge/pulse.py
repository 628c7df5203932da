"""Whether workers still turn: each beats into memory they share, and their supervisor looks.

A worker whose loop is held for good (by a pattern, a loop without an end, a deadlock) serves nobody
and ends by itself never; it is killed, and what it was examining is counted against it.
"""

from __future__ import annotations

import asyncio
import mmap
import struct

BEAT = 1.0
"""Seconds between two beats."""
LOOK = 5.0
"""Seconds between two looks of the supervisor."""
ENOUGH = 12
"""Looks without a beat in between after which a worker is taken to be stuck. Looks are counted, not
seconds: when the whole machine stood still, the supervisor did so too."""

_BEATS = struct.Struct("<Q")


class Pulse:
    """The beats of all workers; made by the supervisor before it forks."""

    look = LOOK

    def __init__(self, workers: int) -> None:
        self._map = mmap.mmap(-1, workers * _BEATS.size)
        self._seen = [0] * workers
        self._missed = [0] * workers

    # --- a worker's side ---

    def beat(self, worker: int) -> None:
        (beats,) = _BEATS.unpack_from(self._map, worker * _BEATS.size)
        _BEATS.pack_into(self._map, worker * _BEATS.size, beats + 1)

    async def go_on(self, worker: int) -> None:
        """Beat as long as the loop turns; until the first beat nobody is watched."""
        while True:
            self.beat(worker)
            await asyncio.sleep(BEAT)

    # --- the supervisor's side ---

    def begin(self, worker: int) -> None:
        """It is started anew: it may take its time until its first beat."""
        _BEATS.pack_into(self._map, worker * _BEATS.size, 0)
        self._seen[worker] = self._missed[worker] = 0

    def has_begun(self, worker: int) -> bool:
        """It has beaten since it was started."""
        (beats,) = _BEATS.unpack_from(self._map, worker * _BEATS.size)
        return bool(beats)

    def stuck(self, worker: int) -> bool:
        """Look once; whether it has not beaten for so many looks."""
        (beats,) = _BEATS.unpack_from(self._map, worker * _BEATS.size)
        self._missed[worker] = self._missed[worker] + 1 if beats == self._seen[worker] else 0
        self._seen[worker] = beats
        return bool(beats) and self._missed[worker] >= ENOUGH
