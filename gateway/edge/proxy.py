"""The header by which a balancer in front says who the client is: PROXY protocol, version 1 or 2.

The specification is HAProxy's `proxy-protocol.txt`. Only the client's address is taken from it;
what it says about TLS and names is left alone. Anything that is not exactly such a header is
Malformed: the connection is closed, since guessing would take the balancer for the client.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Awaitable, Callable

from gateway.edge.admission import canonical_ip

V1_MAX = 107
"""Octets of a version 1 header with its CRLF."""
V2_MAX = 2048
"""Octets after the fixed part of version 2: addresses and further values, which we skip."""

_V1 = re.compile(
    rb"PROXY (?:UNKNOWN(?: [\x20-\x7e]*)?"
    rb"|TCP([46]) ([0-9A-Fa-f:.]{2,45}) ([0-9A-Fa-f:.]{2,45}) ([0-9]{1,5}) ([0-9]{1,5}))\r\n"
)
_V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
_ADDRESSES = {_TCP4: (4, 12), _TCP6: (16, 36)}
"""Octets of one address, and of all addresses and ports."""


class Malformed(Exception):  # noqa: N818 - the balancer errs, not we
    """What came is no PROXY header."""


Read = Callable[[int], Awaitable[bytes]]
"""Gives exactly so many octets of the connection. Raises EOFError when it ends before."""


async def read_client(read: Read) -> str | None:
    """The client's address; None when the balancer speaks for itself. No octet more is read."""
    begin = await read(len(_V2_SIGNATURE))
    if begin == _V2_SIGNATURE:
        fixed = begin + await read(_V2_FIXED.size - len(begin))
        return v2(fixed, await read(v2_length(fixed)))
    if not begin.startswith(b"PROXY "):
        raise Malformed
    line = bytearray(begin)
    while not line.endswith(b"\n"):
        if len(line) >= V1_MAX:
            raise Malformed
        line += await read(1)
    return v1(bytes(line))


def v1(line: bytes) -> str | None:
    match = _V1.fullmatch(line)
    if match is None or len(line) > V1_MAX:
        raise Malformed
    family, source, destination, *ports = match.groups()
    if family is None:
        return None  # UNKNOWN
    if any(int(port) > 65535 or (port != b"0" and port.startswith(b"0")) for port in ports):
        raise Malformed
    client, _ = (_address(each.decode("ascii"), int(family)) for each in (source, destination))
    return client


def v2_length(fixed: bytes) -> int:
    """Octets that follow the fixed part."""
    signature, _, _, length = _V2_FIXED.unpack(fixed)
    if signature != _V2_SIGNATURE or length > V2_MAX:
        raise Malformed
    return int(length)


def v2(fixed: bytes, rest: bytes) -> str | None:
    _, command, family, _ = _V2_FIXED.unpack(fixed)
    if command == _LOCAL:
        return None
    if command != _PROXY:
        raise Malformed
    if family not in _ADDRESSES:
        # Unspecified, datagrams or UNIX sockets: no client of SMTP comes by these.
        raise Malformed
    size, whole = _ADDRESSES[family]
    if len(rest) < whole:
        raise Malformed
    return canonical_ip(str(ipaddress.ip_address(rest[:size])))


def _address(text: str, version: int) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise Malformed from None
    if address.version != version:
        raise Malformed
    return canonical_ip(text)
