"""Whether mail of ours may go out unsigned: not where the domain's own DMARC record forbids it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.identity.organisation import TreeWalk
from gateway.resolver import Resolver
from gateway.settings import Site

STRICT = frozenset({"quarantine", "reject"})


async def mute_domains(sites: Sequence[Site], resolver: Resolver) -> frozenset[str]:
    """The domains of sites without a key whose published policy refuses unsigned mail.

    A domain that cannot be asked about is not mute: a receiver then decides for itself.
    """
    walk = TreeWalk(resolver)
    domains = [domain for site in sites if site.signing is None for domain in site.domains]
    found = await asyncio.gather(*(_policy(walk, domain) for domain in domains))
    return frozenset(
        domain for domain, policy in zip(domains, found, strict=True) if policy in STRICT
    )


async def _policy(walk: TreeWalk, domain: str) -> str | None:
    record = (await walk.walk(domain)).policy_record
    return record.policy_for(domain, exists=True) if record else None
