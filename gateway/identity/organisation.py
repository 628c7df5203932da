"""Which domains belong together, and where a domain's DMARC record stands (RFC 9989, 4.10).

The DNS tree walk decides; the public-suffix list is the option, and what speaks for domains that
publish no record anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Protocol

from publicsuffixlist import PublicSuffixList

from gateway.domains import is_same_or_below
from gateway.resolver import DnsError, Resolver
from gateway.waiting import together

MAX_LABELS = 8
"""From here on a name is cut to one label less after its first query."""
POLICIES = ("none", "quarantine", "reject")
_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s,]+\Z")
_MAILTO = re.compile(r"mailto:[^\s,@]+@[^\s,@]+\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A DMARC policy record, errors outside `v` replaced by defaults (4.7)."""

    domain: str
    """Where it was found, without `_dmarc`."""
    policy: str | None
    """p; None when the record may not be used at all: no valid p, sp or np, and no rua."""
    subdomains: str = ""
    """sp, empty without."""
    missing: str = ""
    """np, empty without."""
    strict_dkim: bool = False
    strict_spf: bool = False
    testing: bool = False
    psd: str = "u"
    reports: tuple[str, ...] = ()
    """The URIs of rua."""

    def policy_for(self, domain: str, *, exists: bool) -> str | None:
        """The policy that applies to an author domain (4.10.1)."""
        if self.policy is None or domain == self.domain:
            return self.policy
        if not exists and self.missing:
            return self.missing
        return self.subdomains or self.policy


KEPT_TEXT = 512
"""Records up to this length are kept as they were read: there is one in most letters."""


def parse_dmarc(text: str, domain: str) -> DmarcRecord | None:
    """A TXT record's text; None when it is no DMARC record at all."""
    return (_kept if len(text) <= KEPT_TEXT else _parse)(text, domain)


def _parse(text: str, domain: str) -> DmarcRecord | None:
    if not _VERSION.match(text):
        return None
    tags: dict[str, str] = {}
    for spec in text.split(";")[1:]:
        name, equals, value = spec.partition("=")
        if equals:
            tags.setdefault(name.strip(" \t").lower(), value.strip(" \t"))
    reports = tuple(uri for uri in map(str.strip, tags.get("rua", "").split(",")) if is_uri(uri))
    policy: str | None = tags.get("p", "").lower()
    subdomains, missing = tags.get("sp", "").lower(), tags.get("np", "").lower()
    given = [tags[name].lower() for name in ("sp", "np") if name in tags]
    if policy not in POLICIES or any(value not in POLICIES for value in given):
        # 4.10.1: as p=none where somebody wants reports, otherwise as if there was none.
        policy, subdomains, missing = ("none" if reports else None), "", ""
    psd = tags.get("psd", "u").lower()
    return DmarcRecord(
        domain,
        policy,
        subdomains,
        missing,
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        testing=tags.get("t", "").lower() == "y",
        psd=psd if psd in ("y", "n") else "u",
        reports=reports,
    )


_kept = lru_cache(maxsize=2048)(_parse)


def is_uri(text: str) -> bool:
    """Whether a report address is one syntactically; mailto must hold an address."""
    if text.lower().startswith("mailto:"):
        return _MAILTO.match(text) is not None
    return _URI.match(text) is not None


@dataclass(frozen=True, slots=True)
class Walk:
    """What a tree walk found for one domain."""

    start: str
    records: tuple[DmarcRecord, ...] = ()
    """The records met, longest name first."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Names for which no answer could be had, with the reason."""

    @property
    def organisation(self) -> str:
        """The organisational domain (4.10.2), as far as the answers that came can tell."""
        for record in self.records:
            if record.psd == "n":
                return record.domain
            if record.psd == "y" and record.domain != self.start:
                return _one_below(self.start, record.domain)
        return self.records[-1].domain if self.records else self.start

    @property
    def policy_record(self) -> DmarcRecord | None:
        """The record that governs mail from this domain (4.10.1)."""
        for wanted in (self.start, self.organisation):
            for record in self.records:
                if record.domain == wanted:
                    return record
        last = self.records[-1] if self.records else None
        return last if last and last.psd == "y" else None


def _one_below(name: str, suffix: str) -> str:
    label = name.removesuffix("." + suffix).rpartition(".")[2]
    return f"{label}.{suffix}"


def names_to_ask(domain: str) -> list[str]:
    """The domain and those above it that a walk visits, at most eight (4.10)."""
    labels = domain.split(".")
    start = 1 if len(labels) < MAX_LABELS else len(labels) - MAX_LABELS + 1
    return [domain] + [".".join(labels[at:]) for at in range(start, len(labels))]


class Organisation(Protocol):
    """How to tell which domains belong together."""

    async def walk(self, domain: str) -> Walk: ...


class TreeWalk:
    """RFC 9989, 4.10."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def walk(self, domain: str) -> Walk:
        """Ask for all names together (a walk of one step a time would cost eight round trips)."""
        names = names_to_ask(domain)
        answers = await together([partial(find_record, self._resolver, name) for name in names])
        records, failed = [], {}
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, DnsError):
                failed[name] = str(answer)
            elif answer is not None:
                records.append(answer)
                if answer.psd != "u":
                    break
        return Walk(domain, tuple(records), failed)


class SuffixList:
    """RFC 7489, 3.2: the domain one label below its public suffix, by the list in the package."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        suffixes()

    async def walk(self, domain: str) -> Walk:
        parent = registered_domain(domain)
        names = [domain] if parent == domain else [domain, parent]
        answers = await together([partial(find_record, self._resolver, name) for name in names])
        failed = {
            name: str(answer)
            for name, answer in zip(names, answers, strict=True)
            if isinstance(answer, DnsError)
        }
        records = tuple(answer for answer in answers if isinstance(answer, DmarcRecord))
        return SuffixWalk(domain, records, failed)


@dataclass(frozen=True, slots=True)
class SuffixWalk(Walk):
    """A walk of two steps, whose top the list has chosen."""

    @property
    def organisation(self) -> str:
        return registered_domain(self.start)


def same_organisation(one: Walk, other: Walk) -> bool | None:
    """Whether two domains belong together; None when a missing answer could change that.

    A name above both that gave no answer moves both alike, so it does not matter if they agree.
    """
    failed = [name for name in {*one.failed, *other.failed} if "." in name]
    if one.organisation != other.organisation:
        return None if failed else False
    for name in failed:
        if not (is_same_or_below(one.start, name) and is_same_or_below(other.start, name)):
            return None
    return True


async def find_record(resolver: Resolver, domain: str) -> DmarcRecord | DnsError | None:
    """The one DMARC record of a name; several count as none (4.10, step 2)."""
    try:
        answer = await resolver.query(f"_dmarc.{domain}", "TXT")
    except DnsError as error:
        return error
    records = [record for text in answer.records if (record := parse_dmarc(text, domain))]
    return records[0] if len(records) == 1 else None


@lru_cache(maxsize=1)
def suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def registered_domain(domain: str) -> str:
    """The domain one label below the public suffix; a suffix is its own."""
    return suffixes().privatesuffix(domain) or domain
