"""Whether mail of ours may go out unsigned: not where the domain's own DMARC record forbids it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.identity.organisation import TreeWalk
from gateway.resolver import Resolver
from gateway.settings import Site

STRICT = frozenset({"quarantine", "reject"})


async def mute_domains(sites: Sequence[Site], resolver: Resolver) -> frozenset[str]:
    """The domains of sites without a key for them whose published policy refuses unsigned mail.

    A key of the site's that signs for another organisation is none: what it signs is not aligned.
    A domain that cannot be asked about is not mute: a receiver then decides for itself.
    """
    walk = TreeWalk(resolver)
    asked = [
        (domain, site.signing.domain if site.signing else "")
        for site in sites
        for domain in site.domains
        if site.signing is None or site.signing.domain != domain
    ]
    found = await asyncio.gather(*(_is_mute(walk, domain, signer) for domain, signer in asked))
    return frozenset(domain for (domain, _), mute in zip(asked, found, strict=True) if mute)


async def _is_mute(walk: TreeWalk, domain: str, signer: str) -> bool:
    """`signer`: the d= of what we would send, another than the domain itself; empty without one."""
    walked = await walk.walk(domain)
    record = walked.policy_record
    if record is None or record.policy_for(domain, exists=True) not in STRICT:
        return False
    if not signer or record.strict_dkim:
        return True
    return (await walk.walk(signer)).organisation != walked.organisation
