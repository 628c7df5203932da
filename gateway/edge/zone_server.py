"""A small DNS server over a Resolver: the demo's own, and the tests' real one.

It speaks just enough DNS (RFC 1035, EDNS buffer sizes of RFC 6891) for a stub resolver on
loopback: UDP with truncation, TCP, CNAMEs shown as they stand. It is no server for the Internet.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Mapping, Sequence

from gateway.resolver import DnsError, Resolver, Zone

KINDS = {1: "A", 2: "NS", 5: "CNAME", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA"}
NUMBERS = {kind: number for number, kind in KINDS.items()}
EDNS = 41
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP = 0, 1, 2, 3, 4
TRUNCATED = 0x0200
MAX_CNAMES = 8


@contextlib.asynccontextmanager
async def serve_zone(
    zone: Mapping[str, Mapping[str, Sequence[str] | type[DnsError]]] | Resolver,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[str]:
    """Answer for `zone` until the context ends; gives the address as `host:port`.

    `zone` is a dictionary as `Zone` takes it, or any Resolver: one that raises DnsError gives
    SERVFAIL, one that never returns an unanswered question. Port 0 takes a free one.
    """
    resolver = Zone(zone) if isinstance(zone, Mapping) else zone
    server, datagrams = await _bind(resolver, host, port)
    address = server.sockets[0].getsockname()
    try:
        yield f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
    finally:
        datagrams.close()
        server.close()


async def _bind(
    resolver: Resolver, host: str, port: int
) -> tuple[asyncio.Server, asyncio.DatagramTransport]:
    """One port for UDP and TCP alike."""
    loop = asyncio.get_running_loop()
    for attempt in range(20):
        server = await asyncio.start_server(_Streams(resolver).serve, host, port)
        taken = server.sockets[0].getsockname()[1]
        try:
            datagrams, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(resolver), local_addr=(host, taken)
            )
        except OSError:
            server.close()
            if port or attempt == 19:
                raise
            continue
        return server, datagrams
    raise OSError("no port is free for UDP and TCP")


class _Streams:
    """TCP: each message after its length in two octets (RFC 1035, 4.2.2)."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                answer = await respond(self._resolver, await reader.readexactly(length), 65535)
                if answer:
                    writer.write(struct.pack("!H", len(answer)) + answer)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    """UDP: one task a question, so that a slow answer holds nobody up."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        for task in self._tasks:
            task.cancel()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.ensure_future(self._answer(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = await respond(self._resolver, data, 512)
        if answer and self._transport and not self._transport.is_closing():
            self._transport.sendto(answer, addr)


async def respond(resolver: Resolver, query: bytes, room: int) -> bytes:
    """The answer to one query in at most `room` octets (or what EDNS offers); b"" for noise."""
    try:
        number, flags, questions, _, _, extra = struct.unpack_from("!6H", query)
        if flags & 0x8000 or questions != 1:
            return b""
        name, end = read_name(query, 12)
        kind, _ = struct.unpack_from("!2H", query, end)
    except (struct.error, IndexError, ValueError):
        return b""
    question = query[12 : end + 4]
    if extra and room <= 512:
        room = max(room, _edns_size(query, end + 4))
    code, records = await _records(resolver, name, KINDS.get(kind, ""))
    opt = b"\0" + struct.pack("!2HIH", EDNS, 4096, 0, 0) if extra else b""
    header = struct.pack("!HH4H", number, 0x8580 | code, 1, len(records), 0, 1 if extra else 0)
    answer = header + question + b"".join(records) + opt
    if len(answer) <= room:
        return answer
    return struct.pack("!HH4H", number, 0x8580 | TRUNCATED | code, 1, 0, 0, 0) + question


async def _records(resolver: Resolver, name: str, kind: str) -> tuple[int, list[bytes]]:
    """The response code and the encoded answer section, aliases first (RFC 1034, 3.6.2)."""
    if not kind:
        return NOTIMP, []
    records: list[bytes] = []
    try:
        for _ in range(MAX_CNAMES):
            alias = await resolver.query(name, "CNAME")
            if kind == "CNAME" or not alias.records:
                break
            records.append(_record(name, "CNAME", alias.records[0], alias.ttl))
            name = alias.records[0]
        else:
            return NOERROR, records
        answer = await resolver.query(name, kind)
    except DnsError:
        return SERVFAIL, []
    records += [_record(name, kind, text, answer.ttl) for text in answer.records]
    return (NOERROR if answer.exists or records else NXDOMAIN), records


def _record(name: str, kind: str, text: str, ttl: int) -> bytes:
    data = _data(kind, text)
    return write_name(name) + struct.pack("!2HIH", NUMBERS[kind], 1, ttl, len(data)) + data


def _data(kind: str, text: str) -> bytes:
    if kind == "TXT":
        octets = text.encode("utf-8", "surrogateescape")
        pieces = [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]
        return b"".join(bytes([len(piece)]) + piece for piece in pieces)
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, text)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, text)
    if kind == "MX":
        preference, _, exchange = text.partition(" ")
        return struct.pack("!H", int(preference)) + write_name(exchange)
    return write_name(text)


def write_name(name: str) -> bytes:
    """A domain name as labels (RFC 1035, 3.1). Raises ValueError for one that cannot be."""
    labels = [label.encode("utf-8") for label in name.rstrip(".").split(".") if name.rstrip(".")]
    if any(not 0 < len(label) < 64 for label in labels):
        raise ValueError(f"not a domain name: {name[:80]!r}")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def read_name(message: bytes, at: int) -> tuple[str, int]:
    """The name at an offset and the offset after it; no compression, since a question has none."""
    labels = []
    while length := message[at]:
        if length > 63 or at + length >= len(message):
            raise ValueError("not a plain label")
        labels.append(message[at + 1 : at + 1 + length].decode("utf-8", "replace"))
        at += 1 + length
    return ".".join(labels), at + 1


def _edns_size(query: bytes, at: int) -> int:
    """The UDP payload size of the OPT record behind the question, 0 without one (RFC 6891)."""
    try:
        kind, size = struct.unpack_from("!2H", query, at + 1)
    except struct.error:
        return 0
    return min(size, 4096) if kind == EDNS and query[at] == 0 else 0
