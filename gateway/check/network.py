"""What the DNS says about us: MX, next hops, and how we look as senders. Asked only on request."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator

from gateway.check import second_opinion
from gateway.configuration.yaml_values import Sources
from gateway.identity.organisation import Organisation, SuffixList, TreeWalk
from gateway.identity.published import Finding, published_records
from gateway.identity.signing import Signer, zone_line
from gateway.identity.standing import mute_domains
from gateway.problems import Problem, Steps
from gateway.resolver import DnsError, Resolver
from gateway.settings import NextHop, Settings


async def inspect_network(
    settings: Settings, sources: Sources, resolver: Resolver
) -> tuple[Problem, ...]:
    """Every problem that the DNS shows, all questions asked at the same time."""
    jobs = [
        _gather(_as_senders(settings, sources, resolver)),
        _gather(_unsigned(settings, sources, resolver)),
    ]
    for name, hop in settings.next_hops.items():
        steps: Steps = ("next_hops", name, "address")
        jobs.append(_gather(_next_hop(hop, steps, sources, resolver)))
    for steps, domain in domains(settings).items():
        jobs.append(_gather(_mx(domain, settings.hostname, steps, sources, resolver)))
    found = await asyncio.gather(*jobs)
    return tuple(dict.fromkeys(problem for problems in found for problem in problems))


async def _gather(problems: AsyncIterator[Problem]) -> list[Problem]:
    return [problem async for problem in problems]


def domains(settings: Settings) -> dict[Steps, str]:
    """Every site's domains by their places."""
    return {
        ("sites", index, "domains", number): domain
        for index, site in enumerate(settings.sites)
        for number, domain in enumerate(site.domains)
    }


# --- as receivers --------------------------------------------------------------------------------


async def _ask(resolver: Resolver, name: str, kind: str) -> tuple[str, ...] | None:
    """The records; None when there was no answer."""
    try:
        return (await resolver.query(name, kind)).records
    except DnsError:
        return None


def _silent(steps: Steps, name: str, sources: Sources) -> Problem:
    mend = "ask again later, or look at 'dns'"
    return sources.problem(steps, f"no answer from the DNS about {name}", mend, warning=True)


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


async def _next_hop(
    hop: NextHop, steps: Steps, sources: Sources, resolver: Resolver
) -> AsyncIterator[Problem]:
    if not hop.host or _is_local(hop):
        return
    answers = [await _ask(resolver, hop.host, kind) for kind in ("A", "AAAA")]
    if any(answers):
        return
    if None in answers:
        yield _silent(steps, "this host", sources)
    else:
        yield sources.problem(steps, "this host has no address in the DNS", "mend the name")


def _is_local(hop: NextHop) -> bool:
    """A folder, a literal address or this host: nothing to look up."""
    try:
        ipaddress.ip_address(hop.host)
    except ValueError:
        return hop.host in ("", "localhost")
    return True


# --- as senders ----------------------------------------------------------------------------------


async def _as_senders(
    settings: Settings, sources: Sources, resolver: Resolver
) -> AsyncIterator[Problem]:
    """SPF, DKIM, DMARC and our own name, as those see it who receive our mail."""
    places: dict[str, Steps] = {domain: steps for steps, domain in domains(settings).items()}
    places[settings.hostname] = ("hostname",)
    signers = []
    for index, site in enumerate(settings.sites):
        if site.signing is None:
            continue
        try:
            secret = site.signing.key.get_secret_value()
            signer = Signer(site.signing.domain, site.signing.selector, secret)
        except ValueError:
            continue  # told by check_files
        signers.append(signer)
        places[signer.record_name] = ("sites", index, "signing")
    names = list(domains(settings).values())
    walk = organisation(settings, resolver)
    findings = await published_records(settings.hostname, names, signers, (), resolver, walk)
    told = {finding.name for finding in findings}
    for signer in signers:
        if signer.record_name not in told and not await _others_accept(signer, resolver):
            what = f"{signer.record_name} satisfies us but not dkimpy, an independent verifier"
            mend = f"publish nothing but: {zone_line(signer.record_name, signer.key.record())}"
            yield sources.problem(places[signer.record_name], what, mend)
    for finding in findings:
        steps = _place(finding, places)
        advice = not finding.wrong or (finding.name in names and _smart_host(settings))
        what = finding.what if finding.name in names else f"{finding.name} {finding.what}"
        yield sources.problem(steps, what, finding.mend, warning=advice)


async def _others_accept(signer: Signer, resolver: Resolver) -> bool:
    """Many verifiers look at one record only, so the first one must do."""
    records = await _ask(resolver, signer.record_name, "TXT")
    return not records or second_opinion.accepts(signer, records[0])


def organisation(settings: Settings, resolver: Resolver) -> Organisation:
    return TreeWalk(resolver) if settings.organisational_domain == "tree" else SuffixList(resolver)


def _place(finding: Finding, places: dict[str, Steps]) -> Steps:
    """Where the finding's name stands: `_dmarc.shop.example` with its domain."""
    name = finding.name
    while name:
        if name in places:
            return places[name]
        name = name.partition(".")[2]
    return ("hostname",)


def _smart_host(settings: Settings) -> bool:
    """Our mail leaves from another host, whose addresses we do not know."""
    hop = settings.next_hops.get(settings.outbound_hop())
    return hop is not None and not _is_local(hop)


async def _unsigned(
    settings: Settings, sources: Sources, resolver: Resolver
) -> AsyncIterator[Problem]:
    """A domain whose DMARC policy would have our unsigned mail thrown away."""
    mute = await mute_domains(settings.sites, resolver)
    for steps, domain in domains(settings).items():
        if domain in mute:
            what = "its DMARC policy is strict and no key signs for it: nothing is acknowledged"
            yield sources.problem(steps, what, "make one: gateway dkim-key", warning=True)
