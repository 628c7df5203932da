"""DNS over the network for the whole process: cached, single-flight, bounded in time and space."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import aiodns
from pycares import errno

from gateway.domains import canonical_domain, is_domain
from gateway.edge import dns_stub, dns_wire
from gateway.resolver import Answer, DnsError

NOT_FOUND = Answer((), exists=False, ttl=60)
"""A name that does not exist: c-ares does not show the SOA, so a minute (RFC 2308 allows more)."""
NO_DATA = Answer((), exists=True, ttl=60)
FAILURE_TTL = 5
"""Seconds a failure is remembered, so that a dead server is not asked per message (RFC 9520)."""
MAX_TTL = 86_400
MAX_CNAMES = 8
MAX_ENTRIES = 50_000
MAX_WEIGHT = 32 * 1024 * 1024
"""Characters of all cached records together, with ENTRY_WEIGHT for each entry."""
ENTRY_WEIGHT = 300
RENEW_AFTER = 8 * 1024 * 1024
"""Weight of answers after which c-ares is made anew: it keeps a cache that has no bound."""

_ABSENT = {
    errno.ARES_ENOTFOUND: NOT_FOUND,
    errno.ARES_ENODATA: NO_DATA,
    errno.ARES_EBADNAME: NOT_FOUND,
    errno.ARES_EBADSTR: NOT_FOUND,
}
_REASONS = {
    errno.ARES_ETIMEOUT: "timeout",
    errno.ARES_ESERVFAIL: "server failure",
    errno.ARES_EREFUSED: "refused by the server",
    errno.ARES_ECONNREFUSED: "no server",
    errno.ARES_EBADRESP: "unreadable answer",
}

_HOST_NAME = re.compile(r"[A-Za-z0-9_*/.-]+\Z")
"""What c-ares is willing to ask for."""

Key: TypeAlias = tuple[str, str]
Outcome: TypeAlias = Answer | DnsError
_Record: TypeAlias = tuple[str, str, int]
"""Type, text, TTL."""


class Cache:
    """Outcomes by name and type until they expire; the least recently used goes first."""

    def __init__(self, clock: Callable[[], float], entries: int, weight: int) -> None:
        self._clock = clock
        self._max_entries = entries
        self._max_weight = weight
        self._weight = 0
        self._known: OrderedDict[Key, tuple[float, int, Outcome]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: Key) -> Outcome | None:
        found = self._known.get(key)
        if found is None:
            return None
        if found[0] <= self._clock():
            self._drop(key)
            return None
        self._known.move_to_end(key)
        return found[2]

    def put(self, key: Key, outcome: Outcome) -> None:
        ttl = outcome.ttl if isinstance(outcome, Answer) else FAILURE_TTL
        if ttl <= 0:
            return
        self._drop(key)
        weight = ENTRY_WEIGHT
        if isinstance(outcome, Answer):
            weight += sum(map(len, outcome.records))
        self._known[key] = (self._clock() + min(ttl, MAX_TTL), weight, outcome)
        self._weight += weight
        while len(self._known) > self._max_entries or self._weight > self._max_weight:
            self._drop(next(iter(self._known)))

    def _drop(self, key: Key) -> None:
        found = self._known.pop(key, None)
        if found:
            self._weight -= found[1]


class NetworkResolver:
    """The Resolver over c-ares. One for the process; UDP first, TCP when truncated.

    `nameservers` are `host:port`, `[v6]:port` or bare addresses; none means the system's.
    `timeout` is the limit in seconds of one `query`, retries and CNAMEs included.
    """

    def __init__(
        self,
        nameservers: Sequence[str] = (),
        timeout: float = 5.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        max_entries: int = MAX_ENTRIES,
        max_weight: int = MAX_WEIGHT,
    ) -> None:
        self._nameservers = tuple(nameservers)
        self._timeout = timeout
        self._cache = Cache(clock, max_entries, max_weight)
        self._flying: dict[Key, asyncio.Task[Outcome]] = {}
        self._ares: aiodns.DNSResolver | None = None
        self._asking: dict[aiodns.DNSResolver, int] = {}
        self._answered = 0

    async def query(self, name: str, kind: str) -> Answer:
        """See `gateway.resolver.Resolver`."""
        name = canonical_domain(name)
        if not is_domain(name):
            return NOT_FOUND
        key = (name, kind)
        outcome = self._cache.get(key)
        if outcome is None:
            task = self._flying.get(key)
            if task is None:
                task = asyncio.ensure_future(self._look_up(key))
                self._flying[key] = task
            # Shielded: whoever gives up waiting must not take the answer from the others.
            outcome = await asyncio.shield(task)
        if isinstance(outcome, DnsError):
            raise DnsError(str(outcome))
        return outcome

    async def close(self) -> None:
        """Give up what is under way and release the sockets."""
        for task in list(self._flying.values()):
            task.cancel()
        await asyncio.gather(*self._flying.values(), return_exceptions=True)
        for ares in list(self._asking):
            await ares.close()
        self._ares = None

    async def _look_up(self, key: Key) -> Outcome:
        outcome: Outcome
        try:
            async with asyncio.timeout(self._timeout):
                outcome = await self._follow(*key)
        except DnsError as error:
            outcome = error
        except TimeoutError:
            outcome = DnsError("timeout")
        finally:
            self._flying.pop(key, None)
        self._cache.put(key, outcome)
        return outcome

    async def _follow(self, name: str, kind: str) -> Answer:
        """Ask, and ask on where a server showed an alias without what stands behind it."""
        ttl = MAX_TTL
        for _ in range(MAX_CNAMES):
            answer, alias = await self._ask(name, kind)
            ttl = min(ttl, answer.ttl)
            if not alias:
                return Answer(answer.records, answer.exists, ttl)
            if not is_domain(alias):
                return NOT_FOUND
            name = alias
        raise DnsError("CNAME chain too long")

    async def _ask(self, name: str, kind: str) -> tuple[Answer, str]:
        """One query: the answer, and the alias to go on with if it held nothing but aliases."""
        ares = self._started()
        self._asking[ares] += 1
        try:
            if _HOST_NAME.match(name):
                found = _read(await self._ask_ares(ares, name, kind), kind)
            else:
                servers = self._nameservers or ares.nameservers
                found = _read(await _ask_plainly(servers, name, kind, self._timeout / 2), kind)
        except _AbsentError as absent:
            found = absent.answer, ""
        finally:
            self._asking[ares] -= 1
            await self._retire()
        return found

    async def _ask_ares(self, ares: aiodns.DNSResolver, name: str, kind: str) -> list[_Record]:
        try:
            result = await ares.query_dns(name, kind)
        except aiodns.error.DNSError as error:
            raise _absence_or_trouble(error) from None
        except ValueError:
            raise _AbsentError(NOT_FOUND) from None
        kinds = dns_wire.KINDS
        found = [
            (kinds[one.type], _text(one.data, kinds[one.type]), one.ttl)
            for one in result.answer
            if one.type in kinds
        ]
        self._answered += ENTRY_WEIGHT + sum(len(text) for _, text, _ in found)
        return found

    def _started(self) -> aiodns.DNSResolver:
        """c-ares, made when first needed (it wants a running loop) and when it has grown."""
        if self._ares is None or self._answered > RENEW_AFTER:
            # c-ares doubles its wait with each try: 1 + 2 + 4 parts of the whole.
            wait = max(self._timeout / 7, 0.05)
            servers = list(self._nameservers) or None
            self._ares = aiodns.DNSResolver(servers, timeout=wait, tries=3)
            self._asking[self._ares] = 0
            self._answered = 0
        return self._ares

    async def _retire(self) -> None:
        """Let those that were outgrown go once nobody asks them any more."""
        for ares, asking in list(self._asking.items()):
            if ares is not self._ares and not asking:
                del self._asking[ares]
                await ares.close()


async def _ask_plainly(servers: Sequence[str], name: str, kind: str, wait: float) -> list[_Record]:
    response = await dns_stub.ask(servers, name, kind, wait)
    if response.code == dns_wire.NXDOMAIN and not response.answers:
        raise _AbsentError(NOT_FOUND)
    return [(one.kind, one.text, one.ttl) for one in response.answers]


class _AbsentError(Exception):
    """There is nothing of that name or type."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def _absence_or_trouble(error: Exception) -> _AbsentError | DnsError:
    number = error.args[0] if error.args else 0
    if number in _ABSENT:
        return _AbsentError(_ABSENT[number])
    return DnsError(_REASONS.get(number, "no usable answer"))


def _read(records: Sequence[_Record], kind: str) -> tuple[Answer, str]:
    """Records as an Answer of ours; the last alias if there is nothing else."""
    wanted = tuple(text for one, text, _ in records if one == kind)
    ttl = min((ttl for _, _, ttl in records), default=0)
    if wanted or kind == "CNAME":
        return Answer(wanted, ttl=ttl), ""
    aliases = [text for one, text, _ in records if one == "CNAME"]
    if aliases:
        return Answer((), ttl=ttl), canonical_domain(aliases[-1])
    return NO_DATA, ""


def _text(data: Any, kind: str) -> str:
    match kind:
        case "TXT":
            return bytes(data.data).decode("utf-8", "surrogateescape")
        case "A" | "AAAA":
            return str(data.addr)
        case "MX":
            return f"{data.priority} {data.exchange}"
        case "PTR":
            return str(data.dname)
        case "NS":
            return str(data.nsdname)
        case _:
            return str(data.cname)
