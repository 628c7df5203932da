"""What the DNS says about us: MX, our own name, signing keys, next hops. Asked only on request."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator

from gateway.problems import Problem, Steps
from gateway.resolver import DnsError, Resolver
from gateway.settings import NextHop, Settings, Site
from gateway.signing import Signer
from gateway.yaml_values import Sources

STRICT = ("quarantine", "reject")


async def inspect_network(
    settings: Settings, sources: Sources, resolver: Resolver
) -> tuple[Problem, ...]:
    """Every problem that the DNS shows, all questions asked at the same time."""
    jobs = [_gather(_our_name(settings, sources, resolver))]
    for name, hop in settings.next_hops.items():
        steps: Steps = ("next_hops", name, "address")
        jobs.append(_gather(_next_hop(hop, steps, sources, resolver)))
    for index, site in enumerate(settings.sites):
        here: Steps = ("sites", index)
        for number, domain in enumerate(site.domains):
            place = (*here, "domains", number)
            jobs.append(_gather(_mx(domain, settings.hostname, place, sources, resolver)))
            if site.signing is None:
                jobs.append(_gather(_unsigned(domain, place, sources, resolver)))
        jobs.append(_gather(_key(site, (*here, "signing"), sources, resolver)))
    return tuple(problem for problems in await asyncio.gather(*jobs) for problem in problems)


async def _gather(problems: AsyncIterator[Problem]) -> list[Problem]:
    return [problem async for problem in problems]


async def _ask(resolver: Resolver, name: str, kind: str) -> tuple[str, ...] | None:
    """The records; None when there was no answer."""
    try:
        return (await resolver.query(name, kind)).records
    except DnsError:
        return None


async def _has_address(resolver: Resolver, name: str) -> bool | None:
    found = [await _ask(resolver, name, kind) for kind in ("A", "AAAA")]
    if any(found):
        return True
    return None if None in found else False


def _silent(steps: Steps, name: str, sources: Sources) -> Problem:
    mend = "ask again later, or look at 'dns'"
    return sources.problem(steps, f"no answer from the DNS about {name}", mend, warning=True)


async def _our_name(
    settings: Settings, sources: Sources, resolver: Resolver
) -> AsyncIterator[Problem]:
    known = await _has_address(resolver, settings.hostname)
    if known is None:
        yield _silent(("hostname",), settings.hostname, sources)
    elif not known:
        mend = "publish an A or AAAA record, with a PTR record that leads back"
        yield sources.problem(("hostname",), "has no address in the DNS", mend, warning=True)


async def _next_hop(
    hop: NextHop, steps: Steps, sources: Sources, resolver: Resolver
) -> AsyncIterator[Problem]:
    if not hop.host or _is_literal(hop.host) or hop.host == "localhost":
        return
    known = await _has_address(resolver, hop.host)
    if known is None:
        yield _silent(steps, "this host", sources)
    elif not known:
        yield sources.problem(steps, "this host has no address in the DNS", "mend the name")


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _mx(
    domain: str, hostname: str, steps: Steps, sources: Sources, resolver: Resolver
) -> AsyncIterator[Problem]:
    records = await _ask(resolver, domain, "MX")
    if records is None:
        yield _silent(steps, domain, sources)
        return
    targets = {record.rpartition(" ")[2].rstrip(".").lower() for record in records}
    if hostname not in targets:
        what = "no MX record names our hostname, so the Internet's mail does not come here"
        yield sources.problem(steps, what, f"publish: {domain}. MX 10 {hostname}.", warning=True)


async def _unsigned(
    domain: str, steps: Steps, sources: Sources, resolver: Resolver
) -> AsyncIterator[Problem]:
    """A domain whose DMARC policy would have our unsigned mail thrown away."""
    records = await _ask(resolver, f"_dmarc.{domain}", "TXT") or ()
    if any(tag(record, "p") in STRICT for record in records if record.startswith("v=DMARC1")):
        what = "its DMARC policy is strict and we have no key, so nothing will be acknowledged"
        yield sources.problem(steps, what, "make one: gateway dkim-key", warning=True)


async def _key(
    site: Site, steps: Steps, sources: Sources, resolver: Resolver
) -> AsyncIterator[Problem]:
    """The published key is the one we sign with (RFC 6376, 3.6.1)."""
    if site.signing is None:
        return
    try:
        signer = Signer(
            site.signing.domain, site.signing.selector, site.signing.key.get_secret_value()
        )
    except ValueError:
        return  # told by check_files
    records = await _ask(resolver, signer.record_name, "TXT")
    if records is None:
        yield _silent(steps, signer.record_name, sources)
    elif not records:
        what = f"{signer.record_name} is not published"
        yield sources.problem(steps, what, f'publish TXT "{signer.key.record()}"')
    elif tag(signer.key.record(), "p") not in {tag(record, "p") for record in records}:
        what = f"{signer.record_name} publishes another key than ours"
        yield sources.problem(steps, what, f'publish TXT "{signer.key.record()}"')


def tag(record: str, name: str) -> str:
    """One tag's value of a tag list (RFC 6376, 3.2), without white space."""
    for part in record.split(";"):
        key, _, value = part.partition("=")
        if key.strip() == name:
            return "".join(value.split())
    return ""
