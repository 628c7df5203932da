"""DNS messages as octets (RFC 1035, 4), as far as our own server and stub need them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

KINDS = {1: "A", 2: "NS", 5: "CNAME", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA"}
NUMBERS = {kind: number for number, kind in KINDS.items()}
EDNS = 41
EDNS_SIZE = 1232
"""Octets of UDP that pass everywhere without fragments."""
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP = 0, 1, 2, 3, 4
RESPONSE, AUTHORITATIVE, TRUNCATED, WANTED, AVAILABLE = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
MAX_JUMPS = 64


class WireError(ValueError):
    """Octets that are no DNS message."""


@dataclass(frozen=True, slots=True)
class Question:
    number: int
    name: str
    kind: str
    """Empty for a type that is not ours."""
    octets: bytes
    """The question section."""
    room: int
    """Octets of UDP the asker can take; 0 when it did not say (RFC 6891)."""


@dataclass(frozen=True, slots=True)
class Record:
    name: str
    kind: str
    ttl: int
    text: str


@dataclass(frozen=True, slots=True)
class Response:
    number: int
    code: int
    truncated: bool
    question: bytes
    answers: tuple[Record, ...]


def write_question(number: int, name: str, kind: str, *, edns: bool = True) -> bytes:
    """A recursive query. Raises WireError for a name that cannot be asked."""
    head = struct.pack("!6H", number, WANTED, 1, 0, 0, 1 if edns else 0)
    question = write_name(name) + struct.pack("!2H", NUMBERS[kind], 1)
    return head + question + (_opt() if edns else b"")


def read_question(message: bytes) -> Question:
    """Raises WireError for anything but one plain question."""
    try:
        number, flags, questions, _, _, extra = struct.unpack_from("!6H", message)
        if flags & RESPONSE or questions != 1:
            raise WireError("not a question")
        name, end = read_name(message, 12)
        kind, _ = struct.unpack_from("!2H", message, end)
        room = 0
        if extra:
            opt, size = struct.unpack_from("!x2H", message, end + 4)
            room = size if opt == EDNS else 0
    except (struct.error, IndexError) as error:
        raise WireError("cut short") from error
    return Question(number, name, KINDS.get(kind, ""), message[12 : end + 4], room)


def write_response(question: Question, code: int, records: Sequence[Record], room: int) -> bytes:
    """The response, without records and marked truncated when it does not fit `room` octets."""
    flags = RESPONSE | AUTHORITATIVE | WANTED | AVAILABLE | code
    opt = _opt() if question.room else b""
    body = b"".join(map(write_record, records))
    head = struct.pack("!6H", question.number, flags, 1, len(records), 0, 1 if opt else 0)
    message = head + question.octets + body + opt
    if len(message) <= room:
        return message
    head = struct.pack("!6H", question.number, flags | TRUNCATED, 1, 0, 0, 0)
    return head + question.octets


def read_response(message: bytes) -> Response:
    """Raises WireError for what is no response to one question."""
    try:
        number, flags, questions, answers, _, _ = struct.unpack_from("!6H", message)
        if not flags & RESPONSE or questions != 1:
            raise WireError("not a response")
        _, end = read_name(message, 12)
        question, at = message[12 : end + 4], end + 4
        records: list[Record] = []
        truncated = bool(flags & TRUNCATED)
        for _ in range(0 if truncated else answers):
            record, at = _read_record(message, at)
            if record:
                records.append(record)
    except WireError:
        raise
    except (struct.error, IndexError, ValueError) as error:
        raise WireError("cut short") from error
    return Response(number, flags & 0xF, truncated, question, tuple(records))


def write_record(record: Record) -> bytes:
    data = _write_data(record.kind, record.text)
    head = struct.pack("!2HIH", NUMBERS[record.kind], 1, record.ttl, len(data))
    return write_name(record.name) + head + data


def _write_data(kind: str, text: str) -> bytes:
    match kind:
        case "TXT":
            octets = text.encode("utf-8", "surrogateescape")
            pieces = [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]
            return b"".join(bytes([len(piece)]) + piece for piece in pieces)
        case "A":
            return socket.inet_pton(socket.AF_INET, text)
        case "AAAA":
            return socket.inet_pton(socket.AF_INET6, text)
        case "MX":
            preference, _, exchange = text.partition(" ")
            return struct.pack("!H", int(preference)) + write_name(exchange)
        case _:
            return write_name(text)


def _read_record(message: bytes, at: int) -> tuple[Record | None, int]:
    name, at = read_name(message, at)
    number, _, ttl, length = struct.unpack_from("!2HIH", message, at)
    at += 10
    if at + length > len(message):
        raise WireError("cut short")
    kind = KINDS.get(number, "")
    if not kind:
        return None, at + length
    return Record(name, kind, ttl & 0x7FFFFFFF, _read_data(message, at, length, kind)), at + length


def _read_data(message: bytes, at: int, length: int, kind: str) -> str:
    match kind:
        case "TXT":
            octets, end = b"", at + length
            while at < end:
                octets += message[at + 1 : min(at + 1 + message[at], end)]
                at += 1 + message[at]
            return octets.decode("utf-8", "surrogateescape")
        case "A":
            return socket.inet_ntop(socket.AF_INET, message[at : at + length])
        case "AAAA":
            return socket.inet_ntop(socket.AF_INET6, message[at : at + length])
        case "MX":
            (preference,) = struct.unpack_from("!H", message, at)
            return f"{preference} {read_name(message, at + 2)[0]}"
        case _:
            return read_name(message, at)[0]


def write_name(name: str) -> bytes:
    """A domain name as labels (3.1). Raises WireError for one that cannot be."""
    name = name.rstrip(".")
    labels = [label.encode("utf-8") for label in name.split(".")] if name else []
    if any(not 0 < len(label) < 64 for label in labels) or sum(map(len, labels)) > 250:
        raise WireError(f"not a domain name: {name[:80]!r}")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def read_name(message: bytes, at: int) -> tuple[str, int]:
    """The name at an offset, and the offset after it; pointers are followed (4.1.4)."""
    labels: list[str] = []
    after = 0
    for _ in range(MAX_JUMPS + 128):
        length = message[at]
        if length == 0:
            return ".".join(labels), after or at + 1
        if length >= 0xC0:
            after = after or at + 2
            at = (length & 0x3F) << 8 | message[at + 1]
            continue
        if length > 63 or at + length >= len(message):
            raise WireError("bad label")
        labels.append(message[at + 1 : at + 1 + length].decode("utf-8", "replace"))
        at += 1 + length
    raise WireError("name without an end")


def _opt() -> bytes:
    return b"\0" + struct.pack("!2HIH", EDNS, EDNS_SIZE, 0, 0)
