"""A plain DNS query without c-ares, for the names that it refuses to ask for.

c-ares takes host names only. SPF macros make others from a sender's local part, such as
`jane+news._spf.shop.example`, and RFC 7208 wants them asked for as they are.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections.abc import Sequence

from gateway.edge.dns_wire import (
    FORMERR,
    NOERROR,
    NOTIMP,
    NXDOMAIN,
    Response,
    WireError,
    read_response,
    write_question,
)
from gateway.resolver import DnsError

PORT = 53


async def ask(servers: Sequence[str], name: str, kind: str, wait: float) -> Response:
    """Ask one server after the other, each for `wait` seconds over UDP, then TCP if it is cut.

    Raises DnsError; the response is NOERROR or NXDOMAIN.
    """
    trouble = "timeout"
    for server in servers:
        try:
            async with asyncio.timeout(wait):
                response = await _ask_server(*_address(server), name, kind)
        except TimeoutError:
            continue
        except (OSError, WireError, asyncio.IncompleteReadError):
            trouble = "no server"
            continue
        if response.code in (NOERROR, NXDOMAIN):
            return response
        trouble = "server failure"
    raise DnsError(trouble)


async def _ask_server(host: str, port: int, name: str, kind: str) -> Response:
    number = secrets.randbelow(1 << 16)
    response = await _ask_one(host, port, write_question(number, name, kind))
    if response.code in (FORMERR, NOTIMP):  # RFC 6891, 6.2.2: it may know no EDNS
        response = await _ask_one(host, port, write_question(number, name, kind, edns=False))
    return response


async def _ask_one(host: str, port: int, query: bytes) -> Response:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Response] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Asker(query, answer), remote_addr=(host, port)
    )
    try:
        response = await answer
    finally:
        transport.close()
    return await _ask_stream(host, port, query) if response.truncated else response


async def _ask_stream(host: str, port: int, query: bytes) -> Response:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(struct.pack("!H", len(query)) + query)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        response = read_response(await reader.readexactly(length))
    finally:
        writer.close()
    if not _answers(response, query):
        raise WireError("an answer to something else")
    return response


class _Asker(asyncio.DatagramProtocol):
    """Sends a query and waits for the answer that fits it; anything else may be forged."""

    def __init__(self, query: bytes, answer: asyncio.Future[Response]) -> None:
        self._query = query
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.sendto(self._query)  # type: ignore[attr-defined]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            response = read_response(data)
        except WireError:
            return
        if _answers(response, self._query) and not self._answer.done():
            self._answer.set_result(response)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


def _answers(response: Response, query: bytes) -> bool:
    question = query[12 : 12 + len(response.question)]
    return query[:2] == struct.pack("!H", response.number) and (
        response.question.lower() == question.lower()
    )


def _address(server: str) -> tuple[str, int]:
    """`host`, `host:port`, `[v6]:port` or a bare IPv6 address."""
    if server.startswith("["):
        host, _, port = server[1:].partition("]")
        return host, int(port[1:] or PORT)
    if server.count(":") == 1:
        host, _, port = server.partition(":")
        return host, int(port)
    return server, PORT
