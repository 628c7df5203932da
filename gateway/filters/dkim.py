"""Which domains signed this message (RFC 6376), each signature on its own.

`details`: {"signatures": [{result, domain, selector, algorithm, reason}, …] in the order found,
"covered": lower-cased names of the fields that passing signatures cover, "unread": how many
signatures stand beyond the limit}.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.filters import Options, Services
from gateway.identity.dkim.verifier import FIELD, SignatureResult, verify
from gateway.message import Message
from gateway.resolver import Resolver
from gateway.verdict import JSON, PERMERROR, TEMPERROR, AuthResult, Verdict, Verdicts

BEST_FIRST = ("pass", TEMPERROR, "policy", "neutral", "fail", PERMERROR)
"""The whole is its best signature; what could not be asked might have passed."""
SIGNATURES = 5


class DkimFilter:
    name = "dkim"
    needs: tuple[str, ...] = ()
    instant = True
    results = ("pass", "fail", "none", "neutral", "policy")

    def __init__(self, resolver: Resolver, limit: int) -> None:
        self._resolver = resolver
        self._limit = limit

    async def examine(self, message: Message, verdicts: Verdicts) -> Verdict:
        results = await verify(message, self._resolver, self._limit)
        found = sum([field.name == FIELD for field in message.fields])
        return verdict_of(results, found - len(results))


def build(options: Options, services: Services) -> DkimFilter:
    limit = int(options.get("signatures", services.limits.get("signatures", SIGNATURES)))
    return DkimFilter(services.resolver, limit)


def verdict_of(results: Sequence[SignatureResult], unread: int = 0) -> Verdict:
    """All signatures' judgements as one verdict."""
    if not results:
        statement = AuthResult("dkim", "none")
        return Verdict("none", "not signed", statements=(statement,), details={"signatures": []})
    best = min(results, key=lambda result: BEST_FIRST.index(result.result))
    covered = {name for one in results if one.result == "pass" for name in one.names}
    entries: list[JSON] = [_entry(result) for result in results]
    names: list[JSON] = [*sorted(covered)]
    return Verdict(
        best.result,
        best.reason,
        statements=tuple(_statement(result) for result in results),
        details={
            "signatures": entries,
            "covered": names,
            "unread": unread,
        },
    )


def _entry(result: SignatureResult) -> dict[str, JSON]:
    return {
        "result": result.result,
        "domain": result.domain,
        "selector": result.selector,
        "algorithm": result.algorithm,
        "reason": result.reason,
    }


def _statement(result: SignatureResult) -> AuthResult:
    pairs = (
        ("header.d", result.domain),
        ("header.s", result.selector),
        ("header.a", result.algorithm),
        ("header.b", result.start),
    )
    shown = tuple((name, value) for name, value in pairs if value)
    return AuthResult("dkim", result.result, shown, result.reason)
