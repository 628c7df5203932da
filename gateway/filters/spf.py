"""Whether the client may send for the domain of the reverse-path (RFC 7208).

The result is MAIL FROM's, postmaster@HELO's for the null path; HELO's own stands beside it as a
statement. `details`: {"result", "domain", "reason", "helo": {the same for HELO} when checked}.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from gateway.domains import canonical_domain, is_domain
from gateway.filters import Options, Services
from gateway.identity.spf.check import Client, SpfResult, check_host
from gateway.message import Message
from gateway.resolver import Resolver
from gateway.verdict import JSON, AuthResult, Verdict, Verdicts

MAX_REMEMBERED = 20_000
HELO_WAIT = 1.0
"""Seconds that the answer about HELO may take longer than the one that counts."""

Key: TypeAlias = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Remembered:
    since: datetime
    until: datetime
    result: SpfResult


class Memory:
    """Results by client, domain, HELO and (where macros look at it) sender, while they hold."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: OrderedDict[Key, Remembered] = OrderedDict()

    def get(self, key: Key, now: datetime) -> SpfResult | None:
        for form in (key, (*key[:3], "")):
            found = self._known.get(form)
            if found and found.since <= now < found.until:
                self._known.move_to_end(form)
                return found.result
        return None

    def put(self, key: Key, now: datetime, result: SpfResult) -> None:
        if result.ttl <= 0:
            return
        form = key if result.by_sender else (*key[:3], "")
        self._known[form] = Remembered(now, now + timedelta(seconds=result.ttl), result)
        self._known.move_to_end(form)
        while len(self._known) > self._size:
            self._known.popitem(last=False)


class SpfFilter:
    name = "spf"
    needs: tuple[str, ...] = ()
    instant = True
    results = ("pass", "fail", "softfail", "neutral", "none")

    def __init__(self, resolver: Resolver, memory: int = MAX_REMEMBERED) -> None:
        self._resolver = resolver
        self._memory = Memory(memory)

    async def examine(self, message: Message, verdicts: Verdicts) -> Verdict:
        session, path = message.arrival.session, message.arrival.envelope.reverse_path
        client = Client.parse(session.client_ip)
        helo = session.helo.strip().rstrip(".")
        if client is None:
            return verdict_of(SpfResult("none", path.rpartition("@")[2], "no client address"), path)
        now = message.arrival.time
        by_helo = _Question(client, canonical_domain(helo), f"postmaster@{helo}", helo)
        if not path:
            return verdict_of(await self._check(by_helo, now), path)
        by_path = _Question(client, canonical_domain(path.rpartition("@")[2]), path, helo)
        if not _worth_asking(by_helo.domain):
            return verdict_of(await self._check(by_path, now), path)
        beside = self._memory.get(by_helo.key, now)
        if beside is None:
            return verdict_of(*await self._check_both(by_path, by_helo, now))
        return verdict_of(await self._check(by_path, now), path, beside)

    async def _check_both(
        self, by_path: _Question, by_helo: _Question, now: datetime
    ) -> tuple[SpfResult, str, SpfResult | None]:
        """HELO is asked about at the same time, and waited for only a moment longer."""
        beside = asyncio.ensure_future(self._check(by_helo, now))
        try:
            result = await self._check(by_path, now)
            await asyncio.wait([beside], timeout=HELO_WAIT)
        finally:
            finished = beside.done()
            beside.cancel()
        return result, by_path.sender, beside.result() if finished else None

    async def _check(self, question: _Question, now: datetime) -> SpfResult:
        known = self._memory.get(question.key, now)
        if known is None:
            known = await check_host(
                self._resolver, question.client, question.domain, question.sender, question.helo
            )
            self._memory.put(question.key, now, known)
        return known


@dataclass(frozen=True, slots=True)
class _Question:
    client: Client
    domain: str
    sender: str
    helo: str

    @property
    def key(self) -> Key:
        return self.client.text, self.domain, self.helo.lower(), self.sender


def build(options: Options, services: Services) -> SpfFilter:
    return SpfFilter(services.resolver)


def _worth_asking(domain: str) -> bool:
    return "." in domain and not domain.startswith("[") and is_domain(domain)


def verdict_of(result: SpfResult, path: str, helo: SpfResult | None = None) -> Verdict:
    """The result for `path` (empty: it is HELO's), and HELO's beside it."""
    identity = ("smtp.mailfrom", path) if path else ("smtp.helo", result.domain)
    statements = [AuthResult("spf", result.result, (identity,), result.reason)]
    details: dict[str, JSON] = dict(_entry(result))
    if helo is not None:
        details["helo"] = dict(_entry(helo))
        statements.append(AuthResult("spf", helo.result, (("smtp.helo", helo.domain),)))
    return Verdict(result.result, result.reason, statements=tuple(statements), details=details)


def _entry(result: SpfResult) -> Mapping[str, JSON]:
    return {"result": result.result, "domain": result.domain, "reason": result.reason}
