"""Domains that ask for verified TLS to named servers (MTA-STS, RFC 8461).

A policy is fetched over HTTPS with a verified certificate, only if the DNS says that there is one,
and kept for as long as it says. Without a policy everything is as if this module were not there.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.resolver import DnsError, Resolver

PORT = 443
FETCH_LIMIT = 30.0
"""Seconds for a policy; RFC 8461, 3.3 suggests a minute."""
MAX_BODY = 64 * 1024
"""Octets of a policy; RFC 8461, 3.3."""
MAX_AGE = 31_557_600
"""Seconds a policy may be kept (RFC 8461, 3.2)."""
AGAIN = 300.0
"""Seconds after which a fetch that failed is tried again (RFC 8461, 3.3)."""
REMEMBERED = 1000

_RECORD = re.compile(r"v=STSv1[ \t]*;[ \t]*id=([A-Za-z0-9]{1,32})[ \t]*(?:;.*)?", re.DOTALL)
_STATUS = re.compile(rb"HTTP/1\.[01] 200(?: [^\r\n]*)?\r\n")


@dataclass(frozen=True, slots=True)
class StsPolicy:
    mode: Literal["enforce", "testing", "none"]
    patterns: tuple[str, ...]
    max_age: int

    def names(self, host: str) -> bool:
        """Whether a mail server is among those the policy names (RFC 8461, 4.1)."""
        host = host.lower().rstrip(".")
        return any(
            host == pattern or (pattern.startswith("*.") and host.partition(".")[2] == pattern[2:])
            for pattern in self.patterns
        )


@dataclass(slots=True)
class _Known:
    id: str
    policy: StsPolicy | None
    until: float
    """In the loop's time."""
    again: float = 0.0
    """When a fetch may be tried again after one that failed."""


Addresses = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a name that may be asked; raises DnsError."""


class StsPolicies:
    """What the domains ask for. `trust` verifies their web servers (default: the system's)."""

    def __init__(
        self,
        resolver: Resolver,
        addresses: Addresses,
        *,
        trust: ssl.SSLContext | None = None,
        port: int = PORT,
    ) -> None:
        self._resolver = resolver
        self._addresses = addresses
        self._trust = trust
        self._port = port
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def of(self, domain: str) -> StsPolicy | None:
        """The policy to obey for mail to this domain; None for none."""
        now = asyncio.get_running_loop().time()
        known = self._known.get(domain)
        if known is not None and known.until <= now:
            known = None
        id_ = await self._id(domain)
        if id_ is None or (known is not None and (known.id == id_ or now < known.again)):
            # RFC 8461, 3.1: a record that is gone, or cannot be had, does not end a known policy.
            return known.policy if known else None
        policy = await self._fetch(domain)
        if policy is not None:
            known = _Known(id_, policy, now + policy.max_age)
        elif known is not None:
            known.again = now + AGAIN
        else:
            known = _Known(id_, None, now + AGAIN)
        self._known[domain] = known
        self._known.move_to_end(domain)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return known.policy

    async def _id(self, domain: str) -> str | None:
        """The id of the policy's version as the DNS tells it; None when there is none."""
        try:
            answer = await self._resolver.query(f"_mta-sts.{domain}", "TXT")
        except DnsError:
            return None
        records = [text for text in answer.records if text.startswith("v=STSv1")]
        match = _RECORD.fullmatch(records[0]) if len(records) == 1 else None
        return match[1] if match else None

    async def _fetch(self, domain: str) -> StsPolicy | None:
        """The policy as its web server tells it; None for every trouble on the way."""
        host = f"mta-sts.{domain}"
        try:
            if self._trust is None:
                self._trust = await asyncio.to_thread(ssl.create_default_context)
            async with asyncio.timeout(FETCH_LIMIT):
                for address in await self._addresses(host):
                    with contextlib.suppress(OSError):
                        return parse(await self._get(address, host))
        except (OSError, DnsError, EOFError, ValueError):  # TLS errors and time-outs are OSErrors
            return None
        return None

    async def _get(self, address: str, host: str) -> bytes:
        """The body of the policy. No redirect is followed (RFC 8461, 3.3)."""
        reader, writer = await asyncio.open_connection(
            address, self._port, ssl=self._trust, server_hostname=host, limit=MAX_BODY
        )
        try:
            request = f"GET /.well-known/mta-sts.txt HTTP/1.0\r\nHost: {host}\r\n\r\n"
            writer.write(request.encode("ascii"))
            answer = bytearray()
            while len(answer) <= MAX_BODY and (piece := await reader.read(MAX_BODY)):
                answer += piece
        finally:
            writer.transport.abort()
        head, end, body = bytes(answer).partition(b"\r\n\r\n")
        if not end or len(answer) > MAX_BODY or not _STATUS.match(head + b"\r\n"):
            raise ValueError("no policy")
        return body


def parse(body: bytes) -> StsPolicy:
    """A policy file (RFC 8461, 3.2). Raises ValueError."""
    values: dict[str, str] = {}
    patterns: list[str] = []
    for line in body.decode("utf-8").splitlines():
        key, colon, value = line.partition(":")
        key, value = key.strip(" \t"), value.strip(" \t")
        if key == "mx" and colon:
            patterns.append(value.lower().rstrip("."))
        elif colon:
            values.setdefault(key, value)
        elif line.strip(" \t"):
            raise ValueError("not a policy")
    mode, age = values.get("mode"), values.get("max_age", "")
    if values.get("version") != "STSv1" or mode not in ("enforce", "testing", "none"):
        raise ValueError("not a policy we know")
    if not (age.isascii() and age.isdigit() and len(age) <= 10) or (
        mode != "none" and not patterns
    ):
        raise ValueError("a policy without its values")
    return StsPolicy(mode, tuple(patterns), min(int(age), MAX_AGE))  # type: ignore[arg-type]
