"""A small DNS server over a Resolver: the demo's own, and the tests' real one.

It speaks just enough DNS for a stub resolver on loopback: UDP with truncation, TCP, aliases shown
as they stand. It is no server for the Internet.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Mapping, Sequence

from gateway.edge.dns_wire import (
    NOERROR,
    NOTIMP,
    NXDOMAIN,
    SERVFAIL,
    Record,
    WireError,
    read_question,
    write_response,
)
from gateway.resolver import Answer, DnsError, Resolver, Zone

MAX_CNAMES = 8
PLAIN_ROOM, TCP_ROOM = 512, 65_535
ATTEMPTS = 20
"""Tries to find one port that is free for UDP and TCP."""


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
    for attempt in range(ATTEMPTS):
        server = await asyncio.start_server(_Streams(resolver).serve, host, port)
        taken = server.sockets[0].getsockname()[1]
        try:
            datagrams, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(resolver), local_addr=(host, taken)
            )
        except OSError:
            server.close()
            if port or attempt == ATTEMPTS - 1:
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
                answer = await respond(self._resolver, await reader.readexactly(length), TCP_ROOM)
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
        answer = await respond(self._resolver, data)
        if answer and self._transport and not self._transport.is_closing():
            self._transport.sendto(answer, addr)


async def respond(resolver: Resolver, query: bytes, room: int = 0) -> bytes:
    """The answer to one query in at most `room` octets (0: UDP's); b"" for noise."""
    try:
        question = read_question(query)
    except WireError:
        return b""
    code, records = await _records(resolver, question.name, question.kind)
    return write_response(question, code, records, room or max(question.room, PLAIN_ROOM))


async def _records(resolver: Resolver, name: str, kind: str) -> tuple[int, list[Record]]:
    """The response code and the answer section, aliases first (RFC 1034, 3.6.2)."""
    if not kind:
        return NOTIMP, []
    records: list[Record] = []
    try:
        for _ in range(MAX_CNAMES):
            alias = await _alias(resolver, name)
            if kind == "CNAME" or not alias.records:
                break
            records.append(Record(name, "CNAME", alias.ttl, alias.records[0]))
            name = alias.records[0]
        else:
            return NOERROR, records
        answer = await resolver.query(name, kind)
    except DnsError:
        return SERVFAIL, []
    records += [Record(name, kind, answer.ttl, text) for text in answer.records]
    return (NOERROR if answer.exists or records else NXDOMAIN), records


async def _alias(resolver: Resolver, name: str) -> Answer:
    """What a name is an alias of; a zone may fail one type of a name and know another."""
    try:
        return await resolver.query(name, "CNAME")
    except DnsError:
        return Answer(())
