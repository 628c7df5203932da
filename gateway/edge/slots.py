"""What each worker is examining right now, where it can still be read when the worker is dead.

A file mapped by the supervisor and all workers. A worker writes the SHA-256 of a content into a
slot of its own before it looks inside, and clears it afterwards. What stood there when a worker
died is counted; content that stood there twice is *suspect*: it is to be kept unexamined.

Layout: header (magic, release, generation), suspects (digest, count, order), slots per worker.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
from pathlib import Path
from types import TracebackType

MAX_WORKERS = 64
SLOTS = 128
"""Messages one worker can examine at the same time under this watch; further ones go without."""
SUSPECTS = 1024
"""Digests remembered; the oldest makes room."""
ENOUGH = 2
"""Abnormal exits that make content suspect."""

_DIGEST = 32
_FREE = bytes(_DIGEST)
_MAGIC = b"gw-slots"
_HEADER = struct.Struct("<8s16sQ")
_GENERATION_AT = 24
_NUMBER = struct.Struct("<Q")
_SUSPECT = struct.Struct("<32sQQ")
_SUSPECTS_AT = 64
_SLOTS_AT = _SUSPECTS_AT + SUSPECTS * _SUSPECT.size
_SIZE = _SLOTS_AT + MAX_WORKERS * SLOTS * _DIGEST


class Slots:
    """The whole table. One supervisor writes suspects; each worker writes its own slots only."""

    def __init__(self, path: Path, *, release: str = "") -> None:
        """Map `path`, made if need be. Another `release` of ours forgives all suspects.

        What still stands in the slots was being examined when all of us died: it is counted.
        Raises OSError; BlockingIOError if another supervisor has it.
        """
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, _SIZE)
            self._map = mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)
        tag = hashlib.sha256(release.encode()).digest()[:16]
        if self._map[:_GENERATION_AT] != _MAGIC + tag:
            self._map[:] = bytes(_SIZE)
            _HEADER.pack_into(self._map, 0, _MAGIC, tag, 1)
        self._seen = 0
        self._counted: dict[bytes, int] = {}
        for worker in range(MAX_WORKERS):
            self.count(worker)

    def close(self) -> None:
        self.unlock()
        self._map.close()

    def unlock(self) -> None:
        """A worker does not hold the supervisor's lock: it may outlive it for a while."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # --- a worker's side -----------------------------------------------------------------------

    def of(self, worker: int) -> WorkerSlots:
        """The slots of one worker, by its index from 0."""
        return WorkerSlots(self._map, _slots_start(worker))

    def suspect(self, digest: bytes) -> bool:
        """Whether this content was being examined at two abnormal exits."""
        return self._count_of(digest) >= ENOUGH

    def doubtful(self, digest: bytes) -> bool:
        """Whether it was so at one at least: it, or what was examined beside it."""
        return self._count_of(digest) > 0

    def _count_of(self, digest: bytes) -> int:
        (generation,) = _NUMBER.unpack_from(self._map, _GENERATION_AT)
        if generation != self._seen:
            self._counted = {entry: count for entry, count, order in self._table() if order}
            self._seen = generation
        return self._counted.get(digest, 0)

    # --- the supervisor's side -----------------------------------------------------------------

    def count(self, worker: int) -> int:
        """A worker died: count what it was examining and clear its slots. Gives how much it was."""
        start = _slots_start(worker)
        slots = self._map[start : start + SLOTS * _DIGEST]
        if not any(slots):
            return 0
        self.clear(worker)
        digests = {slots[at : at + _DIGEST] for at in range(0, len(slots), _DIGEST)} - {_FREE}
        self._remember(digests)
        return len(digests)

    def clear(self, worker: int) -> None:
        """A worker ended well: nothing of its slots is held against anybody."""
        start = _slots_start(worker)
        self._map[start : start + SLOTS * _DIGEST] = bytes(SLOTS * _DIGEST)

    def _table(self) -> list[tuple[bytes, int, int]]:
        """Digest, count and order of every entry, the free ones (of order 0) too."""
        return list(_SUSPECT.iter_unpack(self._map[_SUSPECTS_AT:_SLOTS_AT]))

    def _remember(self, digests: set[bytes]) -> None:
        (generation,) = _NUMBER.unpack_from(self._map, _GENERATION_AT)
        generation += 1
        table = self._table()
        places = {digest: place for place, (digest, _, order) in enumerate(table) if order}
        oldest_first = sorted(range(SUSPECTS), key=lambda place: table[place][2])
        room = (place for place in oldest_first if table[place][0] not in digests)
        for digest in digests:
            place = places.get(digest)
            count = 1 if place is None else table[place][1] + 1
            place = next(room) if place is None else place
            at = _SUSPECTS_AT + place * _SUSPECT.size
            _SUSPECT.pack_into(self._map, at, digest, count, generation)
        _NUMBER.pack_into(self._map, _GENERATION_AT, generation)


def _slots_start(worker: int) -> int:
    if not 0 <= worker < MAX_WORKERS:
        raise ValueError(f"at most {MAX_WORKERS} workers")
    return _SLOTS_AT + worker * SLOTS * _DIGEST


class WorkerSlots:
    """One worker's slots: `with slots.examining(digest): …` costs about a microsecond."""

    def __init__(self, mapped: mmap.mmap, start: int) -> None:
        self._map = mapped
        self._free = list(range(start, start + SLOTS * _DIGEST, _DIGEST))

    def examining(self, digest: bytes) -> Examination:
        """`digest`: the 32 octets of SHA-256."""
        return Examination(self._map, self._free, digest)


class Examination:
    __slots__ = ("_at", "_digest", "_free", "_map")

    def __init__(self, mapped: mmap.mmap, free: list[int], digest: bytes) -> None:
        self._map = mapped
        self._free = free
        self._digest = digest
        self._at = 0

    def __enter__(self) -> None:
        if self._free:
            self._at = at = self._free.pop()
            self._map[at : at + _DIGEST] = self._digest

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._at:
            self._map[self._at : self._at + _DIGEST] = _FREE
            self._free.append(self._at)
