"""The content of one message while it comes in (RFC 5321, 4.5.2): cleaned, counted, spooled.

Small content stays in memory. Beyond `IN_MEMORY` it goes to a file without a name, which is mapped
when all is there; so a message of 50 MB never takes 50 MB of heap.
"""

from __future__ import annotations

import asyncio
import mmap
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from gateway.edge.budget import Lease
from gateway.edge.incoming import Disconnected, Incoming
from gateway.message import Octets
from gateway.reply import NO_SPACE, NOT_MAIL, TOO_LARGE, Reply

END = b"\r\n.\r\n"
PIECE = 256 << 10
"""Octets handled at a time, so that no message holds the loop."""
IN_MEMORY = 1 << 20
SHARE = 64 << 10
"""What every message holds of the budget from DATA on; most never need more."""
SPOOLING = 5 * PIECE
"""What a message holds while it goes to its file: a piece on its way there, and what has come since
(`Incoming.limit` is twice a piece, and one more may be read before the client is held back)."""
PATIENCE = 4
"""How many times the greatest size we swallow from a client before hanging up on it."""


class Swamped(Exception):  # noqa: N818 (it is the client that errs)
    """The client goes on sending far beyond the size we announced."""


class Content:
    """Takes the pieces of one message. `refusal` says, at any time, why it will not be kept."""

    def __init__(self, limit: int, lease: Lease, spool: Path) -> None:
        self.refusal: Reply | None = None
        self._limit = limit
        self._lease = lease
        self._spool = spool
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._carry = b""
        self._begun = False
        self._size = 0

    async def add(self, piece: bytes, *, last: bool = False) -> None:
        """Take the next piece as sent. The first begins with the CRLF that ended DATA's line."""
        clean = self._unstuff(piece, last=last)
        del piece  # while the disk is waited for, each octet is held once
        self._size += len(clean)
        if self._size > self._limit:
            self._refuse(TOO_LARGE)
            if self._size > PATIENCE * self._limit:
                raise Swamped
        if self.refusal:
            return
        self._pieces.append(clean)
        del clean
        if self._file or self._size > IN_MEMORY:
            await self._write_out()
        held = SPOOLING if self._file else max(self._size, SHARE)
        if not self._lease.hold(self._size if last else held):
            self._refuse(NO_SPACE)

    def _refuse(self, why: Reply) -> None:
        """Forget all of it; what still comes is only counted. The first reason is told."""
        self.refusal = self.refusal or why
        self.close()

    def _unstuff(self, piece: bytes, *, last: bool) -> bytes:
        """Take the transparency dots out and look for bare CR and LF.

        A line end at the very end of a piece waits for the next: a dot may follow it.
        """
        piece = self._carry + piece
        self._carry = b""
        if not last:
            if piece.endswith(b"\r\n"):
                self._carry = b"\r\n"
            elif piece.endswith(b"\r"):
                self._carry = b"\r"
            piece = piece[: len(piece) - len(self._carry)]
        ends = piece.count(b"\r\n")
        if piece.count(b"\n") != ends or piece.count(b"\r") != ends:
            self._refuse(NOT_MAIL)
        if b"\r\n." in piece:
            piece = piece.replace(b"\r\n.", b"\r\n")
        if not self._begun and piece:
            self._begun = True
            return piece[2:]
        return piece

    async def _write_out(self) -> None:
        """Move what is in memory to the file; a disk that stalls must not stall the loop."""
        octets = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        try:
            await asyncio.to_thread(self._write, octets)
        except OSError:
            self._refuse(NO_SPACE)

    def _write(self, octets: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._spool, buffering=0)  # noqa: SIM115
        rest = memoryview(octets)
        while rest:
            rest = rest[self._file.write(rest) :]

    def release(self) -> Octets:
        """All of it, once the last piece was added without refusal; nothing of it stays here."""
        if self._file:
            octets: Octets = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        else:
            octets = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self.close()
        return octets

    def close(self) -> None:
        """Let go of everything; what is mapped lives for as long as somebody uses it."""
        self._pieces.clear()
        if self._file:
            self._file.close()
            self._file = None


async def receive(incoming: Incoming, content: Content, heard: Callable[[], None]) -> None:
    """Read up to the final dot into `content`. `heard` is called whenever octets have come.

    Only CRLF . CRLF ends the data, whatever else looks like it (RFC 5321, 4.1.1.4). The CRLF of
    the DATA line is part of that mark when the content is empty: it is put back for the search.
    Raises Disconnected, Swamped.
    """
    buffer = incoming.buffer
    buffer[0:0] = b"\r\n"
    searched = 0
    while (end := buffer.find(END, searched)) < 0:
        searched = max(0, len(buffer) - len(END) + 1)
        if len(buffer) >= PIECE:
            end, searched = searched, 0
            await content.add(_cut(buffer, end))
            continue
        if not await incoming.more():
            raise Disconnected
        heard()
    last = _cut(buffer, end + 2)
    del buffer[: len(END) - 2]
    await content.add(last, last=True)


def _cut(buffer: bytearray, length: int) -> bytes:
    """Take so many octets away from the beginning."""
    with memoryview(buffer) as view:
        octets = bytes(view[:length])
    del buffer[:length]
    return octets
