"""check_host() (RFC 7208, 4): whether an address may send for a domain."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateway.domains import canonical_domain, is_domain, is_same_or_below
from gateway.identity.spf.macros import (
    PTR,
    MacroString,
    SyntaxMistakeError,
    as_domain,
    expand,
    letters_of,
)
from gateway.identity.spf.record import Mechanism, Record, is_spf, parse_record, shown, within
from gateway.resolver import Answer, DnsError, Resolver

MAX_LOOKUPS, MAX_VOID, MAX_HOSTS = 10, 2, 10
"""Limits of 4.6.4: terms that ask the DNS, answers without records, hosts of one mx or ptr."""


@dataclass(frozen=True, slots=True)
class SpfResult:
    result: str
    domain: str
    reason: str = ""
    ttl: int = 0
    """Seconds for which the same question has the same answer; 0 for trouble."""
    by_sender: bool = False
    """Whether the result may differ for another sender of the same domain."""


@dataclass(frozen=True, slots=True)
class Client:
    """The connecting host."""

    packed: bytes
    text: str

    @property
    def kind(self) -> str:
        return "A" if len(self.packed) == 4 else "AAAA"

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, address: str) -> Client | None:
        """None when the text is no IP address; a mapped IPv4 address is taken as IPv4 (5)."""
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return None
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        return cls(ip.packed, str(ip))

    @property
    def dotted(self) -> str:
        """The form of the `i` macro: for IPv6 each nibble a label."""
        return self.text if len(self.packed) == 4 else ".".join(self.packed.hex())

    @property
    def reverse_name(self) -> str:
        return ipaddress.ip_address(self.packed).reverse_pointer


class _StopError(Exception):
    """Evaluation ends here, with this word."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


async def check_host(
    resolver: Resolver, client: Client, domain: str, sender: str, helo: str
) -> SpfResult:
    """Evaluate the policy of `domain` for one client. `sender` is `local@domain`; never raises."""
    return await _Check(resolver, client, sender, helo).run(domain)


class _Check:
    """One evaluation: what was asked for, and how much has been used up."""

    def __init__(self, resolver: Resolver, client: Client, sender: str, helo: str) -> None:
        self._resolver = resolver
        self._client = client
        self._local, _, self._origin = sender.rpartition("@")
        self._local = self._local or "postmaster"  # 4.3
        self._helo = helo
        self._lookups = 0
        self._void = 0
        self._ttl = 86_400
        self._by_sender = False
        self._names: list[str] | None = None

    async def run(self, domain: str) -> SpfResult:
        domain = canonical_domain(domain)
        try:
            result, reason = await self._check(domain)
        except _StopError as stop:
            result, reason = stop.result, stop.reason
        except SyntaxMistakeError as mistake:
            result, reason = "permerror", str(mistake)
        except DnsError as error:
            return SpfResult("temperror", domain, str(error))
        return SpfResult(result, domain, reason, self._ttl, self._by_sender)

    async def _check(self, domain: str) -> tuple[str, str]:
        if not is_domain(domain) or "." not in domain:
            raise _StopError("none", "not a domain name")  # 4.3
        record = await self._record(domain)
        self._by_sender = self._by_sender or record.by_sender
        for mechanism in record.mechanisms:
            if await self._matches(mechanism, domain):
                return mechanism.result, f"matches {shown(mechanism.text)} of {domain}"
        if record.redirect is None:
            return "neutral", f"nothing in the record of {domain} matches"  # 4.7
        self._count_lookup()
        target = await self._target(record.redirect, domain)
        try:
            return await self._check(target)
        except _StopError as stop:
            if stop.result == "none":
                raise _StopError("permerror", f"redirect to {shown(target)}: {stop}") from None
            raise

    async def _record(self, domain: str) -> Record:
        answer = await self._ask(domain, "TXT")
        records = [text for text in answer.records if is_spf(text)]
        if not records:
            raise _StopError("none", f"{domain} has no SPF record")
        if len(records) > 1:
            raise _StopError("permerror", f"{domain} has several SPF records")  # 4.5
        return parse_record(records[0])

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        match mechanism.name:
            case "all":
                return True
            case "ip4":
                return within(self._client.packed, mechanism.network, mechanism.prefix4)
            case "ip6":
                return within(self._client.packed, mechanism.network, mechanism.prefix6)
        self._count_lookup()
        target = domain
        if mechanism.target is not None:
            target = await self._target(mechanism.target, domain)
        match mechanism.name:
            case "include":
                return await self._include(target)
            case "a":
                return await self._host_matches(target, mechanism)
            case "mx":
                return await self._mx(target, mechanism)
            case "exists":
                return bool((await self._ask_counted(target, "A")).records)
            case _:
                return any(is_same_or_below(name, target) for name in await self._valid_names())

    async def _include(self, target: str) -> bool:
        try:
            result, _ = await self._check(target)
        except _StopError as stop:
            if stop.result == "none":
                raise _StopError("permerror", f"include of {shown(target)}: {stop}") from None
            raise
        return result == "pass"

    async def _host_matches(self, host: str, mechanism: Mechanism) -> bool:
        answer = await self._ask_counted(host, self._client.kind)
        return self._is_among(answer, mechanism)

    def _is_among(self, answer: Answer, mechanism: Mechanism) -> bool:
        """Whether the client is within the mechanism's prefix of one of these addresses."""
        v4 = self._client.kind == "A"
        prefix = mechanism.prefix4 if v4 else mechanism.prefix6
        addresses = _packed(answer.records, self._client.kind)
        return any(within(self._client.packed, address, prefix) for address in addresses)

    async def _mx(self, target: str, mechanism: Mechanism) -> bool:
        """Any host of a domain's MX; all that have no address count as one void look-up.

        4.6.4 counts terms. Counted by hosts, a client of IPv6 would make a permerror of every
        record with an `mx` whose three hosts are reached by IPv4 only.
        """
        answer = await self._ask_counted(target, "MX")
        if len(answer.records) > MAX_HOSTS:
            raise _StopError("permerror", f"{shown(target)} has too many MX records")
        void = False
        for record in sorted(answer.records, key=_preference):
            host = canonical_domain(record.partition(" ")[2])
            if not host:
                continue
            addresses = await (self._ask if void else self._ask_counted)(host, self._client.kind)
            void = void or not addresses.records
            if self._is_among(addresses, mechanism):
                return True
        return False

    async def _valid_names(self) -> list[str]:
        """The client's names that point back at it (5.5); trouble means there are none."""
        try:
            answer = await self._ask_counted(self._client.reverse_name, "PTR")
        except DnsError:
            self._ttl = 0  # what was not answered is not remembered as an answer
            return []
        if self._names is None:
            names = [canonical_domain(record) for record in answer.records[:MAX_HOSTS]]
            self._names = [name for name in names if await self._points_back(name)]
        return self._names

    async def _points_back(self, name: str) -> bool:
        try:
            answer = await self._ask(name, self._client.kind)
        except DnsError:
            self._ttl = 0
            return False
        return self._client.packed in _packed(answer.records, self._client.kind)

    async def _target(self, pieces: MacroString, domain: str) -> str:
        letters = letters_of(pieces)
        values = {
            "s": f"{self._local}@{self._origin}",
            "l": self._local,
            "o": self._origin,
            "d": domain,
            "i": self._client.dotted,
            "h": self._helo,
            "v": "in-addr" if len(self._client.packed) == 4 else "ip6",
        }
        if PTR in letters:
            values[PTR] = await self._best_name(domain)
        return canonical_domain(as_domain(expand(pieces, values)))

    async def _best_name(self, domain: str) -> str:
        """The `p` macro (7.3): the domain itself, else a name below it, else any, else unknown."""
        names = await self._valid_names()
        below = [name for name in names if is_same_or_below(name, domain)]
        return domain if domain in names else next(iter(below + names), "unknown")

    def _count_lookup(self) -> None:
        self._lookups += 1
        if self._lookups > MAX_LOOKUPS:
            raise _StopError("permerror", "more than 10 terms that ask the DNS")

    async def _ask_counted(self, name: str, kind: str) -> Answer:
        """Ask for a term; one answer without records too many ends the check (4.6.4)."""
        answer = await self._ask(name, kind)
        if not answer.records:
            self._void += 1
            if self._void > MAX_VOID:
                raise _StopError("permerror", "more than 2 void look-ups")
        return answer

    async def _ask(self, name: str, kind: str) -> Answer:
        if not is_domain(name):
            return Answer((), exists=False)
        answer = await self._resolver.query(name, kind)
        self._ttl = min(self._ttl, answer.ttl)
        return answer


def _packed(addresses: Sequence[str], kind: str) -> list[bytes]:
    family = socket.AF_INET if kind == "A" else socket.AF_INET6
    return [socket.inet_pton(family, address) for address in addresses]


def _preference(record: str) -> int:
    number = record.partition(" ")[0]
    return int(number) if number.isdigit() else 0
