"""Contents too large for a row: one synced file each, `spool/ab/QUEUE_ID`.

The file is written before the row that names it; a crash in between leaves a file nobody knows,
which `strays` finds.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from gateway.message import Octets, slices
from gateway.store import NoSpaceError, StoreError

INLINE = 64 << 10
"""Contents of at most so many octets stand in their row."""
LOOK = 0.02
"""Seconds between two looks at the disk: in so short a time no disk takes in the reserve."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class Spool:
    def __init__(self, folder: Path, reserve: int, beside: Path | None = None) -> None:
        """`beside`: the folder of the database, which may be another disk."""
        self._folder = folder
        self._folders = (folder,) if beside in (None, folder.parent) else (folder, beside)
        self._reserve = reserve
        """Octets of disk that stay free."""
        self._looked = 0.0
        """When enough was found to be free."""
        self._synced = set[Path]()
        """Folders that are on disk for certain: another may have made one just now."""

    def path(self, queue_id: str) -> Path:
        if not _NAME.fullmatch(queue_id):
            raise ValueError("a queue id is letters, digits, - and _")
        return self._folder / hashlib.sha256(queue_id.encode()).hexdigest()[:2] / queue_id

    def check_space(self, size: int) -> None:
        """Raise NoSpaceError unless `size` octets fit and the reserve stays free."""
        now = time.monotonic()
        if not size and now - self._looked < LOOK:
            return
        for folder in self._folders:
            disk = os.statvfs(folder)
            if disk.f_bavail * disk.f_frsize < self._reserve + size:
                raise NoSpaceError("the disk is fuller than allowed")
        self._looked = now

    def write(self, queue_id: str, content: Octets) -> None:
        """Write and sync the file and its folder; blocks."""
        path = self.path(queue_id)
        if path.parent not in self._synced:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self._folder)
            self._synced.add(path.parent)
        unfinished = path.with_name(f"{queue_id}.{secrets.token_hex(4)}")
        try:
            with open(unfinished, "wb", opener=_private) as file:
                file.writelines(slices(content))
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except BaseException:
            with suppress(OSError):  # a full disk needs the room
                unfinished.unlink()
            raise
        sync_folder(path.parent)

    def check(self, queue_id: str, size: int) -> None:
        """Raise StoreError unless a content of this size is there."""
        try:
            found = self.path(queue_id).stat().st_size
        except OSError as error:
            raise StoreError(f"the spool: {error.strerror}") from error
        if found != size:
            raise StoreError("the spool: another content has taken its place")

    def map(self, queue_id: str) -> Octets:
        """The content, paged in as it is read. Raises OSError or ValueError if it is not there."""
        with self.path(queue_id).open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def remove_all(self, queue_ids: Iterable[str]) -> None:
        for queue_id in queue_ids:
            with suppress(FileNotFoundError):
                self.path(queue_id).unlink()

    def strays(self, older_than: float) -> Iterator[Path]:
        """Files last changed so many seconds ago or earlier; whether they are known is not said."""
        oldest = time.time() - older_than
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime <= oldest:
                    yield path


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
