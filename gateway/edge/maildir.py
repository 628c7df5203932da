"""Delivery into a Maildir: written and synced under `tmp`, then renamed into `new`.

The file's name follows from the letter's id: a delivery that is repeated because the gateway died
before it could note the first replaces the same file, as long as no reader has moved it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway.edge import content
from gateway.edge.transport import Progress, Sent, everyone
from gateway.reply import Reply
from gateway.store import Job

DELIVERED = Reply(250, "2.0.0", "Delivered to the mailbox folder")
NO_SPACE = Reply(452, "4.3.1", "No space for the mailbox folder")
CANNOT_WRITE = Reply(451, "4.3.0", "The mailbox folder cannot be written")
TOO_SLOW = Reply(451, "4.4.2", "The disk of the mailbox folder did not answer in time")

THREADS = 4
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNSAFE = re.compile(r"[^A-Za-z0-9._=-]")
_counter = itertools.count()


class Maildir:
    """A Transport into one Maildir. All recipients of a letter share its one mailbox.

    `trouble` is told the exception when the folder cannot be written. `limit` is the time in
    seconds after which a write counts as delayed; a thread that hangs on its disk stays behind, and
    what waits for one is given up with its attempt.
    """

    takes_utf8 = True

    def __init__(
        self,
        path: Path,
        hostname: str,
        *,
        trouble: Callable[[OSError], None] = lambda _error: None,
        limit: float = 300.0,
        threads: int = THREADS,
    ) -> None:
        self._path = path
        self._hostname = hostname
        self._trouble = trouble
        self._limit = limit
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="maildir")

    async def send(self, job: Job, progress: Progress) -> Sent:
        progress.said = True  # what a thread has begun cannot be called back
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._write, job)
        try:
            async with asyncio.timeout(self._limit):
                await work  # given up, it is done all the same unless it was not begun
        except TimeoutError:
            return Sent(everyone(job, "delayed", TOO_SLOW), hop_failed=True)
        except OSError as error:
            self._trouble(error)
            reply = NO_SPACE if error.errno in _FULL else CANNOT_WRITE
            return Sent(everyone(job, "delayed", reply), hop_failed=True)
        return Sent(everyone(job, "relayed", DELIVERED), final=True)

    async def close(self) -> None:
        self._threads.shutdown(wait=False)

    # --- in a thread ---

    def _write(self, job: Job) -> None:
        """Whole and synced in `new`, or not there at all."""
        make(self._path)
        unique = f"{os.getpid()}.{next(_counter)}.{file_name(job, self._hostname)}"
        temporary = self._path / "tmp" / unique
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                _write_letter(file.fileno(), job)
            temporary.rename(self._path / "new" / file_name(job, self._hostname))
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(self._path / "new")


def file_name(job: Job, hostname: str) -> str:
    """`SECONDS.QID.HOST`: the same for each attempt at one letter, different for all others."""
    letter_id = _UNSAFE.sub("_", job.letter_id)
    return f"{int(job.accepted.timestamp())}.Q{letter_id}.{_UNSAFE.sub('_', hostname)}"


def make(path: Path) -> None:
    """Make the three folders of a Maildir where they are missing."""
    if (path / "new").is_dir() and (path / "tmp").is_dir():
        return
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("tmp", "cur", "new"):
        (path / name).mkdir(mode=0o700, exist_ok=True)
    _sync_folder(path)
    _sync_folder(path.parent)


def return_path(job: Job) -> bytes:
    """The reverse-path as the final delivery notes it (RFC 5321, 4.4)."""
    path = "".join(letter for letter in job.reverse_path if letter.isprintable())
    return f"Return-Path: <{path}>\n".encode()


def _write_letter(descriptor: int, job: Job) -> None:
    _write_all(descriptor, return_path(job))
    for piece in content.with_lf(content.pieces(job)):
        _write_all(descriptor, piece)
    os.fsync(descriptor)


def _write_all(descriptor: int, octets: bytes) -> None:
    view = memoryview(octets)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
