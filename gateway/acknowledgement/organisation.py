"""Whether two domains belong to one organisation, by the public suffix list; offline. Pure."""

from __future__ import annotations

from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList

from gateway.domains import canonical_domain


@cache
def _list() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=True)


@lru_cache(maxsize=1024)
def organisation(domain: str) -> str:
    """`shop.example` of `mail.shop.example`; empty for a public suffix and for no domain."""
    name = canonical_domain(domain)
    return (_list().privatesuffix(name) or "") if name and "." in name else ""


def same_organisation(first: str, second: str) -> bool:
    mine = organisation(first)
    return bool(mine) and mine == organisation(second)
