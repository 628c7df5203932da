"""What earlier hands say about this message, and whether they may be believed (RFC 8617).

`details`: {"result", "instance": the newest, 0 without, "reason", "domain": the newest sealer,
"sealers": all of them by instance, "trusted_authors": {author's domain: sealer} for each author
domain whose dmarc=pass was seen by a sealer we trust, everyone after it being trusted too}.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.domains import canonical_domain, is_same_or_below
from gateway.filters import Options, Services
from gateway.identity import authentication_results
from gateway.identity.arc.verifier import Chain, verify_chain
from gateway.message import Message
from gateway.resolver import Resolver
from gateway.verdict import JSON, AuthResult, Verdict, Verdicts


class ArcFilter:
    name = "arc"
    needs: tuple[str, ...] = ()
    instant = True
    results = ("pass", "fail", "none")

    def __init__(self, resolver: Resolver, trusted: Iterable[str]) -> None:
        self._resolver = resolver
        self._trusted = frozenset(map(canonical_domain, trusted))

    async def examine(self, message: Message, verdicts: Verdicts) -> Verdict:
        return verdict_of(await verify_chain(message, self._resolver), self._trusted)


def build(options: Options, services: Services) -> ArcFilter:
    return ArcFilter(services.resolver, services.trusted_sealers)


def trusted_authors(chain: Chain, trusted: frozenset[str]) -> dict[str, JSON]:
    """Author domains with dmarc=pass in a trusted sealer's results, newest sealer first."""
    found: dict[str, JSON] = {}
    signature = chain.signature
    if signature is None or "from" not in signature.names or not chain.whole:
        return found
    for one, seal in zip(reversed(chain.sets), reversed(chain.seals), strict=True):
        if not any(is_same_or_below(seal.domain, domain) for domain in trusted):
            break
        for author in authors_passed(one.results.value):
            found.setdefault(author, seal.domain)
    return found


def authors_passed(value: bytes) -> list[str]:
    """The author domains an ARC-Authentication-Results says dmarc=pass for."""
    try:
        results = authentication_results.parse(value.partition(b";")[2])
    except ValueError:
        return []
    return [
        canonical_domain(domain.rpartition("@")[2])
        for result in results.results
        if result.method == "dmarc" and result.result == "pass"
        for name, domain in result.properties
        if name == "header.from"
    ]


def verdict_of(chain: Chain, trusted: frozenset[str] = frozenset()) -> Verdict:
    sealers: list[JSON] = [seal.domain for seal in chain.seals]
    return Verdict(
        chain.result,
        chain.reason,
        statements=(AuthResult("arc", chain.result, (), chain.reason),),
        details={
            "result": chain.result,
            "instance": chain.instance,
            "reason": chain.reason,
            "domain": sealers[-1] if sealers else None,
            "sealers": sealers,
            "trusted_authors": trusted_authors(chain, trusted),
        },
    )
