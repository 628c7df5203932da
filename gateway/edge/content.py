"""The octets of one letter as they go out: our prefix, then the original without the cut spans.

Content is never built whole when it is large: it is read in pieces from memory or from a mapped
file, and each piece is dot-stuffed for SMTP or given LF line ends for a Maildir on its way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.message import let_go
from gateway.store import Job

PIECE = 64 * 1024
"""Octets read, changed and written at a time."""
RELEASED = 1 << 20
"""Octets of a mapped file that are let go of at a time; a multiple of every page size."""

_CRLF = b"\r\n"


def _spans(job: Job) -> Iterator[tuple[int, int]]:
    """What stays of the content between the cuts, in order."""
    start = 0
    for cut_start, cut_end in job.cuts:
        if cut_start > start:
            yield start, cut_start
        start = max(start, cut_end)
    if len(job.content) > start:
        yield start, len(job.content)


def size(job: Job) -> int:
    """Octets of the letter before dot-stuffing: what SIZE= declares (RFC 1870, 3)."""
    return len(job.prefix) + sum(end - start for start, end in _spans(job))


def whole(job: Job) -> bytes:
    """The letter in one piece; only for what is small."""
    if not job.cuts:
        return job.prefix + job.content[:] if job.prefix else job.content[:]
    return b"".join((job.prefix, *(job.content[start:end] for start, end in _spans(job))))


def pieces(job: Job, length: int = PIECE) -> Iterator[bytes]:
    """The letter in pieces of at most `length` octets (the prefix may be longer)."""
    if job.prefix:
        yield job.prefix
    for start, end in _spans(job):
        for at in range(start, end, length):
            yield job.content[at : min(at + length, end)]
            sent = at // RELEASED * RELEASED
            if sent and sent > at - length:
                let_go(job.content, sent - RELEASED, RELEASED)


def dot_stuffed(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Content as DATA carries it (RFC 5321, 4.5.2), up to and with the final dot.

    The last piece is the end-of-data sequence alone, so that whoever sends it knows when the
    letter may have been taken. A line that lacks its end gets one, as SMTP cannot do without.
    """
    tail = _CRLF
    for part in parts:
        # A match needs an octet of this part, so the added dot always falls behind the tail.
        yield (tail + part).replace(b"\r\n.", b"\r\n..")[2:]
        tail = (tail + part[-2:])[-2:]
    yield b".\r\n" if tail == _CRLF else b"\r\n.\r\n"


def dot_stuffed_whole(content: bytes) -> bytes:
    """The same for content in one piece, the final dot included."""
    content = content.replace(b"\r\n.", b"\r\n..")
    if content.startswith(b"."):
        content = b"." + content
    if content and not content.endswith(_CRLF):
        return content + b"\r\n.\r\n"
    return content + b".\r\n"


def with_lf(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Content with LF line ends, as files have them; a CR that stands alone stays."""
    held = b""
    for part in parts:
        part = held + part
        held = b"\r" if part.endswith(b"\r") else b""
        yield part[: len(part) - len(held)].replace(_CRLF, b"\n")
    if held:
        yield held
