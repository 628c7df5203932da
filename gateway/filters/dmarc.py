"""Whether the author's domain stands behind this message, and what it asks for if not (RFC 9989).

`details`: {"result", "domain": where the policy stands (the author's domain without one), "policy":
p, sp or np as published or None, "applied": what remains of it (t=y lowers it by one step, a
trusted sealer to none), "reason", "author": the author's domain, "aligned": whether that domain is
proven (computed without a record too), "spf_aligned", "dkim_aligned", "arc_aligned",
"aligned_domain": the identifier that proved it, "reports": whether the record asks for any}.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.domains import canonical_domain, is_domain, is_same_or_below
from gateway.filters import Options, Services
from gateway.identity.organisation import (
    POLICIES,
    DmarcRecord,
    Organisation,
    SuffixList,
    TreeWalk,
    Walk,
    find_record,
    registered_domain,
    same_organisation,
    suffixes,
)
from gateway.message import Address, Message
from gateway.resolver import DnsError, Resolver
from gateway.verdict import TEMPERROR, AuthResult, Verdict, Verdicts

_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+\Z")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"\Z')
MAX_AUTHORS = 5
"""Author domains that are looked into; several are refused as proof, but may still fail."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """A domain that SPF or DKIM vouches for, or could not be asked about."""

    method: str
    domain: str
    result: str


@dataclass(frozen=True, slots=True)
class Finding:
    """DMARC's answer for one author domain."""

    author: str
    result: str
    reason: str
    domain: str
    policy: str | None = None
    testing: bool = False
    aligned: Identifier | None = None
    reports: bool = False
    """Whether the record names an address for reports."""
    methods: frozenset[str] = frozenset()
    """With reports: all that are aligned and passed."""
    arc: str = ""
    """The trusted sealer that vouches for the author, empty without."""

    @property
    def applied(self) -> str | None:
        """The policy after the owner's test mode and our trust in a sealer."""
        if self.policy is None:
            return None
        if self.arc:
            return "none"
        step = POLICIES.index(self.policy)
        return POLICIES[max(step - 1, 0)] if self.testing else self.policy


class DmarcFilter:
    name = "dmarc"
    needs = ("spf", "dkim", "arc")
    instant = True
    results = ("pass", "fail", "none")

    def __init__(self, resolver: Resolver, organisation: Organisation) -> None:
        self._resolver = resolver
        self._organisation = organisation
        suffixes()  # loaded now: it takes longer than a message may hold the loop

    async def examine(self, message: Message, verdicts: Verdicts) -> Verdict:
        domains = author_domains(message)
        if not domains:
            return verdict_of(Finding("", "none", "no author domain", ""))
        identifiers = identifiers_of(message, verdicts)
        findings = [
            vouched(await self._judge(domain, identifiers), verdicts)
            for domain in domains[:MAX_AUTHORS]
        ]
        alone = len(domains) == 1 and not has_nameless(message)
        return verdict_of(findings[0] if alone else worst(findings))

    async def _judge(self, author: str, identifiers: Sequence[Identifier]) -> Finding:
        exact = next((one for one in identifiers if _passes(one, author)), None)
        own = await find_record(self._resolver, author)
        if exact and isinstance(own, DmarcRecord) and own.policy:
            # 4.10.2: the same domain with a record of its own needs no walk.
            finding = _passed(Finding(author, "pass", "", author, own.policy, own.testing), exact)
            return await self._for_report(finding, own, identifiers)
        walk = await self._organisation.walk(author)
        record = walk.policy_record
        trouble = trouble_of(walk)
        if trouble:
            return Finding(author, TEMPERROR, trouble, author, aligned=exact)
        aligned, doubt = await self._align(walk, record, identifiers)
        if record is None or record.policy is None:
            reason = "no DMARC record" if record is None else "unusable DMARC record"
            return Finding(author, "none", reason, author, aligned=aligned)
        policy = await self._policy(record, author)
        finding = Finding(author, "pass", "", record.domain, policy, record.testing)
        if aligned:
            return await self._for_report(_passed(finding, aligned), record, identifiers)
        if doubt:
            return replace(finding, result=TEMPERROR, reason=doubt)
        finding = replace(finding, result="fail", reason=_unaligned(author, identifiers))
        return replace(finding, reports=bool(record.reports))

    async def _for_report(
        self, finding: Finding, record: DmarcRecord, identifiers: Sequence[Identifier]
    ) -> Finding:
        """Whoever gets a report wants to know both methods, not only the one that sufficed."""
        if not record.reports:
            return finding
        methods = {finding.aligned.method} if finding.aligned else set()
        for one in identifiers:
            if one.result != "pass" or one.method in methods:
                continue
            strict = record.strict_dkim if one.method == "dkim" else record.strict_spf
            related = one.domain == finding.author
            if not (related or strict):
                walk = await self._organisation.walk(finding.author)
                related = bool(await self._related(walk, record, one.domain, strict=False))
            if related:
                methods.add(one.method)
        return replace(finding, reports=True, methods=frozenset(methods))

    async def _align(
        self, walk: Walk, record: DmarcRecord | None, identifiers: Sequence[Identifier]
    ) -> tuple[Identifier | None, str]:
        """The first identifier that is aligned and passed; why that is in doubt, if it is."""
        doubt = ""
        for one in identifiers:
            strict = record is not None and (
                record.strict_dkim if one.method == "dkim" else record.strict_spf
            )
            related = await self._related(walk, record, one.domain, strict=strict)
            if related and one.result == "pass":
                return one, ""
            if one.result == TEMPERROR and related is not False:
                doubt = doubt or f"{one.method} could not be checked"
            elif related is None:
                doubt = doubt or f"DNS trouble about {one.domain}"
        return None, doubt

    async def _related(
        self, walk: Walk, record: DmarcRecord | None, domain: str, *, strict: bool
    ) -> bool | None:
        """Whether an identifier belongs to the author's domain; None when that is not known."""
        if not domain:
            return None
        if domain == walk.start or strict:
            return domain == walk.start
        if record is None:
            # Nobody has drawn the borders: the public-suffix list does.
            return registered_domain(domain) == registered_domain(walk.start)
        if not is_same_or_below(domain, walk.organisation):
            return None if doubtful(walk, domain) else False
        return same_organisation(walk, await self._organisation.walk(domain))

    async def _policy(self, record: DmarcRecord, author: str) -> str | None:
        """The policy for this author; whether its domain exists matters only for np."""
        for_existing = record.policy_for(author, exists=True)
        if record.policy_for(author, exists=False) == for_existing:
            return for_existing
        try:
            answer = await self._resolver.query(author, "A")
        except DnsError:
            return for_existing
        return record.policy_for(author, exists=answer.exists)


def build(options: Options, services: Services) -> DmarcFilter:
    """The option `organisational_domain` is `tree` (RFC 9989) or `psl`."""
    method = options.get("organisational_domain", services.organisational_domain)
    if method not in ("tree", "psl"):
        raise ValueError("organisational_domain is tree or psl")
    organisation = TreeWalk if method == "tree" else SuffixList
    return DmarcFilter(services.resolver, organisation(services.resolver))


def author_domains(message: Message) -> list[str]:
    """The different domains of the From mailboxes that DNS could know, in their order."""
    return list(dict.fromkeys(filter(None, map(author_domain, message.authors))))


def author_domain(author: Address) -> str:
    """The domain of an author's address; empty if it has none that DNS could know.

    `ceo@bank.example@evil.example` has none: one reader takes the first, another the last.
    """
    local, _, domain = author.address.rpartition("@")
    domain = canonical_domain(domain)
    if ("@" in local or '"' in local) and not _QUOTED.match(local):
        return ""
    return domain if is_domain(domain) and _NAME.match(domain) else ""


def has_nameless(message: Message) -> bool:
    """Whether an author beside others has no domain: nobody can vouch for him."""
    return any(author.address and not author_domain(author) for author in message.authors)


def identifiers_of(message: Message, verdicts: Verdicts) -> list[Identifier]:
    """What SPF and DKIM say, passes first; an empty domain is one that could not be asked for."""
    found: list[Identifier] = []
    spf, dkim = verdicts.get("spf"), verdicts.get("dkim")
    if dkim is not None:
        signatures = dkim.details.get("signatures")
        for one in signatures if isinstance(signatures, list) else ():
            if isinstance(one, dict):
                domain = canonical_domain(str(one.get("domain", "")))
                found.append(Identifier("dkim", domain, str(one.get("result", ""))))
        if signatures is None and dkim.result == TEMPERROR:
            found.append(Identifier("dkim", "", TEMPERROR))
    if spf is not None:
        path = message.arrival.envelope.reverse_path.rpartition("@")[2]
        domain = canonical_domain(str(spf.details.get("domain", path)))
        found.append(Identifier("spf", domain, spf.result))
    relevant = [one for one in found if one.result in ("pass", TEMPERROR)]
    return sorted(relevant, key=lambda one: one.result != "pass")


def trouble_of(walk: Walk) -> str:
    """Why the governing record cannot be told, empty when it can.

    The author domain's own record governs whatever stands above; without it every name counts,
    but for a top-level domain's once a record below has been found.
    """
    if any(record.domain == walk.start for record in walk.records):
        return ""
    for name, reason in walk.failed.items():
        if "." in name or not walk.records:
            return reason
    return ""


def doubtful(walk: Walk, domain: str) -> bool:
    """Whether a name above `domain` gave no answer; what a top-level domain says cannot matter."""
    return any("." in name and is_same_or_below(domain, name) for name in walk.failed)


def vouched(finding: Finding, verdicts: Verdicts) -> Finding:
    """A trusted sealer's valid chain that saw dmarc=pass for this author counts as proof."""
    arc = verdicts.get("arc")
    if arc is None or arc.result != "pass" or finding.aligned:
        return finding
    trusted = arc.details.get("trusted_authors")
    if isinstance(trusted, dict) and finding.author in trusted:
        return replace(finding, arc=str(trusted[finding.author]))
    return finding


def worst(findings: Sequence[Finding]) -> Finding:
    """Several author domains prove nobody; a failing one counts with its policy (11.5)."""
    failed = [finding for finding in findings if finding.result == "fail"]
    troubled = [finding for finding in findings if finding.result == TEMPERROR]
    if failed:
        strictest = max(failed, key=lambda finding: POLICIES.index(finding.policy or "none"))
        return replace(strictest, aligned=None, arc="")
    if troubled:
        return replace(troubled[0], aligned=None, arc="")
    return replace(
        findings[0],
        result="none",
        reason="several author domains",
        policy=None,
        aligned=None,
        arc="",
    )


def verdict_of(finding: Finding) -> Verdict:
    aligned = finding.aligned
    methods = finding.methods | ({aligned.method} if aligned else set())
    reason = finding.reason
    if finding.arc:
        reason = f"{reason}; {finding.arc} vouches for the author"
    properties = (("header.from", finding.author),) if finding.author else ()
    return Verdict(
        finding.result,
        reason,
        statements=(AuthResult("dmarc", finding.result, properties, finding.reason),),
        details={
            "result": finding.result,
            "domain": finding.domain,
            "policy": finding.policy,
            "applied": finding.applied,
            "reason": reason,
            "author": finding.author,
            "aligned": aligned is not None or bool(finding.arc),
            "spf_aligned": "spf" in methods,
            "dkim_aligned": "dkim" in methods,
            "arc_aligned": bool(finding.arc),
            "aligned_domain": aligned.domain if aligned else None,
            "reports": finding.reports,
        },
    )


def _passes(one: Identifier, author: str) -> bool:
    return one.result == "pass" and one.domain == author


def _passed(finding: Finding, aligned: Identifier) -> Finding:
    reason = f"{aligned.method} of {aligned.domain} is aligned"
    return replace(finding, reason=reason, aligned=aligned)


def _unaligned(author: str, identifiers: Sequence[Identifier]) -> str:
    passed = [f"{one.method} of {one.domain}" for one in identifiers if one.result == "pass"]
    if not passed:
        return "neither SPF nor DKIM passed"
    return f"{', '.join(passed[:3])} passed but is not aligned with {author}"
