"""Canonicalisation (RFC 6376, 3.4) that touches only what needs it.

A whole message is read through `CanonicalMessage`: it works on the octet spans of the original,
canonicalises each field once and hashes each form of the body once, whoever asks.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterator, Sequence

from gateway.message import Field, Message, Octets, let_go, once_per_message

PIECE = 256 * 1024
"""Octets of body treated before other sessions get their turn."""

_WHITE = re.compile(rb"[ \t]+")
_ODD = re.compile(rb"[\r\n\x0b\x0c]")
_ENDS_REVERSED = re.compile(rb"(?:\n\r)*")


def relaxed_value(value: bytes) -> bytes:
    """A field's value unfolded, runs of white space as one space, none at the ends (3.4.2)."""
    value = value.replace(b"\r\n", b"")
    if _ODD.search(value):
        return _WHITE.sub(b" ", value).strip(b" ")
    return b" ".join(value.split())


def relaxed_field(name: str, value: bytes) -> bytes:
    return name.strip().lower().encode("utf-8", "surrogateescape") + b":" + relaxed_value(value)


def body_pieces(content: Octets, start: int, form: str) -> Iterator[bytes]:
    """The canonical body (3.4.3, 3.4.4) in pieces of about PIECE octets; `form` simple, relaxed.

    Line ends that may turn out to be the empty lines at the end are counted, not kept, and the
    last few octets of a piece wait for the next where white space or a line end may be cut.
    """
    relaxed = form == "relaxed"
    held, pending, empty = b"", 0, True
    for at in range(start, len(content), PIECE):
        piece = held + content[at : at + PIECE]
        last = at + PIECE >= len(content)
        cut = len(piece) if last else _settled(piece, relaxed=relaxed)
        held, piece = piece[cut:], piece[:cut]
        if relaxed:
            piece, held = _collapse(piece), _collapse(held)
            piece = piece.rstrip(b" ") if last else piece
        ends = _line_ends_at_end(piece)
        if 2 * ends < len(piece):
            yield from _line_ends(pending)
            yield piece[: len(piece) - 2 * ends]
            pending, empty = 0, False
        pending += ends
    if not (relaxed and empty):
        yield b"\r\n"


def _settled(piece: bytes, *, relaxed: bool) -> int:
    """Up to where a piece means the same whatever follows."""
    end = len(piece) - piece.endswith(b"\r")
    return len(piece[:end].rstrip(b" \t")) if relaxed else end


def _line_ends_at_end(piece: bytes) -> int:
    """How many CRLF a piece ends with; counted backwards, bare CR and LF stop the count."""
    if not piece.endswith(b"\r\n"):
        return 0
    tail = piece[len(piece.rstrip(b"\r\n")) :]
    match = _ENDS_REVERSED.match(tail[::-1])
    return len(match.group()) // 2 if match else 0


def _collapse(piece: bytes) -> bytes:
    """White space as relaxed wants it: `replace` is far quicker here than any pattern."""
    if b"\t" in piece:
        piece = piece.replace(b"\t", b" ")
    while b"  " in piece:
        piece = piece.replace(b"  ", b" ")
    return piece.replace(b" \r\n", b"\r\n") if b" \r\n" in piece else piece


def _line_ends(count: int) -> Iterator[bytes]:
    while count > 0:
        yield b"\r\n" * min(count, PIECE // 2)
        count -= PIECE // 2


class CanonicalMessage:
    """The fields and body of one message in their canonical forms, each made once.

    It holds no Message, only what it needs of it, so that it can be kept beside one.
    """

    def __init__(self, content: Octets, fields: Sequence[Field], body_start: int) -> None:
        self._content = content
        self._body_start = body_start
        self._relaxed: dict[int, bytes] = {}
        self._bodies: dict[tuple[str, int | None], tuple[bytes, int]] = {}
        self._hashing = asyncio.Lock()
        self.by_name: dict[str, list[Field]] = {}
        for field in fields:
            self.by_name.setdefault(field.name, []).append(field)

    def field(self, field: Field, form: str) -> bytes:
        """One field's canonical form, without its final CRLF."""
        if form == "simple":
            octets = self._content[field.start : field.end]
            return octets.removesuffix(b"\r\n")
        known = self._relaxed.get(field.start)
        if known is None:
            name = field.name.encode("utf-8", "surrogateescape")  # lower-cased already
            known = self._relaxed[field.start] = name + b":" + relaxed_value(field.value)
        return known

    def signed_fields(self, names: Sequence[str], form: str, but: Field) -> list[bytes]:
        """The canonical fields of an h= list: instances from the bottom up, none twice (5.4.2).

        A name with no instance left stands for nothing, which is what oversigning relies on.
        `but` is the signature itself: it did not exist when the others were signed.
        """
        left: dict[str, int] = {}
        found = []
        for name in names:
            instances = self.by_name.get(name, ())
            at = left.get(name, len(instances)) - 1
            if at >= 0 and instances[at] is but:
                at -= 1
            left[name] = max(at, 0)
            if at >= 0:
                found.append(self.field(instances[at], form))
        return found

    async def body_hash(self, form: str, length: int | None = None) -> tuple[bytes, int]:
        """SHA-256 of the first `length` octets of a canonical body, and how many it has in all."""
        async with self._hashing:
            known = self._bodies.get((form, length))
            if known is None:
                known = await self._hash(form, length)
                self._bodies[form, length] = known
            return known

    async def _hash(self, form: str, length: int | None) -> tuple[bytes, int]:
        digest, total = hashlib.sha256(), 0
        for piece in body_pieces(self._content, self._body_start, form):
            if length is None:
                digest.update(piece)
            elif total < length:
                digest.update(piece[: length - total])
            total += len(piece)
            if len(piece) >= PIECE // 2:
                await asyncio.sleep(0)
        let_go(self._content)
        return digest.digest(), total


@once_per_message
def canonical(message: Message) -> CanonicalMessage:
    """The shared CanonicalMessage of a message: DKIM and ARC read the same one."""
    return CanonicalMessage(message.arrival.content, message.fields, message.body_start)
