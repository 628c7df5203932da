"""What the DNS says about us as senders, for `gateway check --dns`: SPF, DKIM, DMARC, our name.

Findings are sentences for the administrator: what is wrong and how to mend it. No answer from the
DNS is a finding too, never a fault.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from gateway.domains import canonical_domain
from gateway.identity.dkim.key import find_keys
from gateway.identity.dkim.tags import MalformedError
from gateway.identity.organisation import Organisation, same_organisation
from gateway.identity.signing import Signer, zone_line
from gateway.identity.spf.check import Client, check_host
from gateway.resolver import DnsError, Resolver

PROBE = b"From: probe\r\n"
NOBODY = "192.0.2.1"
"""Of no host (RFC 5737): asked about where we know no address of ours."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one name that should be looked at."""

    name: str
    what: str
    mend: str
    wrong: bool = True
    """False for advice, and where the DNS did not answer."""


async def published_records(
    hostname: str,
    domains: Sequence[str],
    signers: Sequence[Signer],
    addresses: Sequence[str],
    resolver: Resolver,
    organisation: Organisation,
) -> list[Finding]:
    """Look all of it up together.

    `addresses` are those our mail leaves from; without any, those of `hostname` are taken.
    """
    addresses = addresses or await _addresses(hostname, resolver)
    jobs: list[Awaitable[list[Finding]]] = [_our_name(hostname, addresses, resolver)]
    for domain in domains:
        jobs += [
            _spf(domain, addresses, resolver),
            _dmarc(domain, organisation),
            _alignment(domain, signers, organisation),
        ]
    jobs += [_dkim(signer, resolver) for signer in signers]
    return [finding for found in await asyncio.gather(*jobs) for finding in found]


async def _addresses(name: str, resolver: Resolver) -> list[str]:
    found: list[str] = []
    for kind in ("A", "AAAA"):
        try:
            found += (await resolver.query(name, kind)).records
        except DnsError:
            continue
    return found


async def _our_name(hostname: str, addresses: Sequence[str], resolver: Resolver) -> list[Finding]:
    """Address and name must lead to each other (RFC 1912, 2.1): many receivers insist."""
    if not addresses:
        return [Finding(hostname, "has no address", "publish an A or AAAA record")]
    found = []
    for address in addresses:
        reverse = ipaddress.ip_address(address).reverse_pointer
        try:
            names = (await resolver.query(reverse, "PTR")).records
        except DnsError as error:
            found.append(_silent(reverse, error))
            continue
        if hostname not in map(canonical_domain, names):
            mend = f"ask whoever owns {address} to publish: {reverse}. PTR {hostname}."
            found.append(Finding(hostname, f"{address} does not lead back to it", mend))
    return found


async def _spf(domain: str, addresses: Sequence[str], resolver: Resolver) -> list[Finding]:
    """Whether our addresses may send; without any, only whether there is a sound record."""
    found = []
    for address in addresses or (NOBODY,):
        client = Client.parse(address)
        if client is None:
            continue
        result = await check_host(resolver, client, domain, f"postmaster@{domain}", domain)
        if result.result == "none":
            term = f"ip{4 if '.' in address else 6}:{address if addresses else 'ADDRESS'}"
            mend = f'publish: {domain}. TXT "v=spf1 {term} ~all"'
            return [Finding(domain, "has no SPF record", mend, wrong=False)]
        if result.result == "temperror":
            return [Finding(domain, f"SPF: {result.reason}", "ask again later", wrong=False)]
        if result.result == "permerror":
            what = f"the SPF record is not valid: {result.reason}"
            return [Finding(domain, what, "mend the record")]
        if result.result != "pass" and addresses:
            what = f"SPF says {result.result} for {address}: {result.reason}"
            mend = f"add ip{4 if '.' in address else 6}:{address} to the record"
            found.append(Finding(domain, what, mend))
    return found


async def _dkim(signer: Signer, resolver: Resolver) -> list[Finding]:
    """The published key must open what ours has signed."""
    name = signer.record_name
    mend = f"publish: {zone_line(name, signer.key.record())}"
    try:
        keys = await find_keys(resolver, signer.selector, signer.domain)
    except DnsError as error:
        return [_silent(name, error)]
    except MalformedError as error:
        what = f"publishes a key that is not to be used: {error}"
        return [Finding(name, "publishes no key" if str(error) == "no key" else what, mend)]
    signature = signer.key.sign(PROBE)
    kind = signer.key.algorithm.partition("-")[0]
    fitting = [key for key in keys if key.kind == kind and key.verifies(signature, PROBE)]
    if not fitting:
        return [Finding(name, "publishes another key than ours", mend)]
    if fitting[0].testing:
        what, mend = "says t=y: receivers may treat our mail as unsigned", "drop t=y"
        return [Finding(name, what, mend, wrong=False)]
    return []


async def _dmarc(domain: str, organisation: Organisation) -> list[Finding]:
    walk = await organisation.walk(domain)
    record = walk.policy_record
    if record is None and walk.failed:
        name, reason = next(iter(walk.failed.items()))
        return [_silent(f"_dmarc.{name}", DnsError(reason))]
    if record is None:
        mend = f'publish: _dmarc.{domain}. TXT "v=DMARC1; p=none; rua=mailto:ADDRESS"'
        return [Finding(domain, "has no DMARC record", mend, wrong=False)]
    if record.policy is None:
        what = f"the DMARC record at _dmarc.{record.domain} is not usable"
        return [Finding(domain, what, "mend p, sp and np, or add a rua address")]
    return []


async def _alignment(
    domain: str, signers: Sequence[Signer], organisation: Organisation
) -> list[Finding]:
    """Whether any of our signatures proves this domain."""
    if not signers:
        return []
    walk = await organisation.walk(domain)
    for signer in signers:
        if signer.domain == domain:
            return []
        if same_organisation(walk, await organisation.walk(signer.domain)) is not False:
            return []
    mend = f"sign with d={domain}"
    return [Finding(domain, "no signing domain is aligned with it", mend, wrong=False)]


def _silent(name: str, error: DnsError) -> Finding:
    return Finding(name, f"no answer from the DNS: {error}", "ask again later", wrong=False)
