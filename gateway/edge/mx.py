"""Where a domain takes its mail: its MX records, followed to addresses (RFC 5321, 5.1).

What a stranger's DNS says is only followed to addresses of the Internet at large, and in bounds.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.domains import canonical_domain, is_domain
from gateway.edge.addresses import Network, is_public
from gateway.reply import Reply
from gateway.resolver import Answer, DnsError, Resolver

MAX_HOSTS = 8
MAX_ADDRESSES = 16
"""Asked for one letter; a domain that names more has enough of them."""
MAX_RECORDS = 100

NO_DOMAIN = Reply(550, "5.1.2", "The recipient's domain does not exist")
NULL_MX = Reply(556, "5.1.10", "The recipient's domain takes no mail (RFC 7505)")
NO_SERVER = Reply(550, "5.4.4", "The recipient's domain has no mail server that may be asked")
LOOP = Reply(550, "5.4.6", "The recipient's domain names us as its mail server")
DNS_TROUBLE = Reply(451, "4.4.3", "The recipient's domain could not be looked up")


class NoWay(Exception):  # noqa: N818 - it is no error of ours
    """There is no way to a domain: `reply` says why, and whether that may change."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Host:
    """One mail server of a domain: its name, and the addresses we may ask."""

    name: str
    addresses: tuple[str, ...]


class Directory:
    """Looks domains up. `own` is our host name; `chance` orders servers of one preference."""

    def __init__(
        self,
        resolver: Resolver,
        own: str,
        chance: Callable[[], float],
        private: Sequence[Network] = (),
    ) -> None:
        self._resolver = resolver
        self._own = own.lower().rstrip(".")
        self._chance = chance
        self._private = private

    async def hosts(self, domain: str) -> Sequence[Host]:
        """The mail servers of a domain, best first, each with an address. Raises NoWay."""
        if domain.startswith("["):
            return (self._literal(domain),)
        name = canonical_domain(domain)
        if not is_domain(name):
            raise NoWay(NO_DOMAIN)
        names = await self._names(name)
        found: list[Host] = []
        troubled = False
        room = MAX_ADDRESSES
        for host in names[:MAX_HOSTS]:
            try:
                addresses = await self.addresses(host)
            except DnsError:
                troubled = True
                continue
            if addresses and room:
                found.append(Host(host, addresses[:room]))
                room -= len(found[-1].addresses)
        if not found:
            raise NoWay(DNS_TROUBLE if troubled else NO_SERVER)
        return found

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a name that we may ask. Raises DnsError when some are not known."""
        answers = await asyncio.gather(
            *(self._resolver.query(host, kind) for kind in ("A", "AAAA")), return_exceptions=True
        )
        records = [record for answer in answers if isinstance(answer, Answer)
                   for record in answer.records[:MAX_RECORDS]]  # fmt: skip
        public = tuple(each for each in dict.fromkeys(records) if is_public(each, self._private))
        if not public:
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
        return public

    async def _names(self, domain: str) -> list[str]:
        """The names of its mail servers, best first."""
        try:
            answer = await self._resolver.query(domain, "MX")
        except DnsError:
            raise NoWay(DNS_TROUBLE) from None
        if not answer.exists:
            raise NoWay(NO_DOMAIN)
        records = [_record(record) for record in answer.records[:MAX_RECORDS]]
        if not records:
            if domain == self._own:
                raise NoWay(LOOP)
            return [domain]  # RFC 5321, 5.1: the implicit MX
        servers = [(preference, host) for preference, host in records if host]
        if not servers:
            raise NoWay(NULL_MX)
        # RFC 5321, 5.1: where we stand ourselves, we and all behind us are no way on.
        ours = min((preference for preference, host in servers if host == self._own), default=None)
        if ours is not None:
            servers = [(preference, host) for preference, host in servers if preference < ours]
            if not servers:
                raise NoWay(LOOP)
        shuffled = sorted((preference, self._chance(), host) for preference, host in servers)
        return list(dict.fromkeys(host for _, _, host in shuffled))

    def _literal(self, domain: str) -> Host:
        """`[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321, 4.1.3)."""
        text = domain[1:-1]
        text = text[5:] if text[:5].lower() == "ipv6:" else text
        if not is_public(text, self._private):
            raise NoWay(NO_SERVER)
        return Host(str(ipaddress.ip_address(text)), (text,))


def _record(record: str) -> tuple[int, str]:
    """`10 mx.shop.example` as preference and name; the name of the null MX, `.`, is empty."""
    preference, _, host = record.partition(" ")
    known = preference.isascii() and preference.isdigit()
    return (int(preference) if known else 65536), host.lower().rstrip(".")
