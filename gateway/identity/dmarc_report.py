"""Aggregate reports for domain owners (RFC 9990): the XML, its name, and who may receive it.

Pure: `dmarc_rows.py` makes the rows, the store counts them, `reporting.py` sends.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree as Tree

from gateway.domains import canonical_domain, is_domain
from gateway.identity.dmarc_rows import Row
from gateway.identity.organisation import DmarcRecord, Organisation, same_organisation
from gateway.resolver import DnsError, Resolver

NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0"
MAX_ROWS = 5000
MAX_OCTETS = 1 << 20
"""Of the packed report; many mailboxes take little more than ten megabytes in all."""
MAX_DESTINATIONS = 5
_LOCAL = re.compile(r"[A-Za-z0-9._+=/-]+")
_HOST = re.compile(r"[a-z0-9_.-]+")
_NOT_XML = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who we are, as the report says it."""

    organisation: str
    email: str
    hostname: str
    generator: str = "gateway"


def report_xml(
    reporter: Reporter,
    record: DmarcRecord,
    begin: datetime,
    end: datetime,
    rows: Mapping[Row, int],
    method: str = "treewalk",
    left_out: int = 0,
) -> bytes:
    """One policy domain's report for [begin, end], gzipped, of at most MAX_OCTETS.

    `record` is the policy as published now; `method` is treewalk or psl; `left_out` messages had
    no room in `rows`. Beyond MAX_ROWS rows, or MAX_OCTETS, the rarest go without.
    """
    frequent = sorted(rows.items(), key=lambda item: (-item[1], item[0].source_ip))
    told = min(len(frequent), MAX_ROWS)
    while True:
        feedback = Tree.Element("feedback", {"xmlns": NAMESPACE})
        _add(feedback, "version", "1.0")
        untold = left_out + sum(count for _, count in frequent[told:])
        feedback.append(_metadata(reporter, record, begin, end, untold))
        feedback.append(_published(record, method))
        feedback.extend(_record(row, count) for row, count in frequent[:told])
        octets: bytes = Tree.tostring(feedback, encoding="utf-8", xml_declaration=True)
        packed = gzip.compress(octets, mtime=0)
        if len(packed) <= MAX_OCTETS or not told:
            return packed
        told //= 2


def report_id(record: DmarcRecord, begin: datetime, reporter: Reporter) -> str:
    return f"{int(begin.timestamp())}.{record.domain}@{reporter.hostname}"


def file_name(reporter: Reporter, record: DmarcRecord, begin: datetime, end: datetime) -> str:
    """RFC 9990, 3.5: receiver, policy domain and period, told apart by exclamation marks."""
    period = f"{int(begin.timestamp())}!{int(end.timestamp())}"
    return f"{reporter.hostname}!{record.domain}!{period}.xml.gz"


def subject(reporter: Reporter, record: DmarcRecord, begin: datetime) -> str:
    identity = report_id(record, begin, reporter)
    return f"Report Domain: {record.domain} Submitter: {reporter.hostname} Report-ID: <{identity}>"


def _metadata(
    reporter: Reporter, record: DmarcRecord, begin: datetime, end: datetime, left_out: int
) -> Tree.Element:
    metadata = Tree.Element("report_metadata")
    _add(metadata, "org_name", reporter.organisation)
    _add(metadata, "email", reporter.email)
    _add(metadata, "report_id", report_id(record, begin, reporter))
    period = Tree.SubElement(metadata, "date_range")
    _add(period, "begin", str(int(begin.timestamp())))
    _add(period, "end", str(int(end.timestamp())))
    if left_out > 0:
        _add(metadata, "error", f"{left_out} messages left out, those of the rarest kinds")
    _add(metadata, "generator", reporter.generator)
    return metadata


def _published(record: DmarcRecord, method: str) -> Tree.Element:
    policy = Tree.Element("policy_published")
    _add(policy, "domain", record.domain)
    _add(policy, "p", record.policy or "none")
    _add(policy, "sp", record.subdomains)
    _add(policy, "np", record.missing)
    _add(policy, "adkim", "s" if record.strict_dkim else "r")
    _add(policy, "aspf", "s" if record.strict_spf else "r")
    _add(policy, "discovery_method", method)
    _add(policy, "testing", "y" if record.testing else "n")
    return policy


def _record(row: Row, count: int) -> Tree.Element:
    record = Tree.Element("record")
    part = Tree.SubElement(record, "row")
    _add(part, "source_ip", row.source_ip)
    _add(part, "count", str(count))
    evaluated = Tree.SubElement(part, "policy_evaluated")
    _add(evaluated, "disposition", row.disposition)
    _add(evaluated, "dkim", "pass" if row.dkim_aligned else "fail")
    _add(evaluated, "spf", "pass" if row.spf_aligned else "fail")
    if row.override:
        _add(Tree.SubElement(evaluated, "reason"), "type", row.override)
    identifiers = Tree.SubElement(record, "identifiers")
    _add(identifiers, "header_from", row.header_from)
    _add(identifiers, "envelope_from", row.envelope_from)
    results = Tree.SubElement(record, "auth_results")
    for one in row.dkim:
        signature = Tree.SubElement(results, "dkim")
        _add(signature, "domain", one.domain)
        _add(signature, "selector", one.selector)
        _add(signature, "result", one.result)
    if row.spf:
        spf = Tree.SubElement(results, "spf")
        _add(spf, "domain", row.spf.domain)
        _add(spf, "scope", "mfrom")
        _add(spf, "result", row.spf.result)
    return record


def _add(parent: Tree.Element, name: str, text: str) -> None:
    """An element with printable ASCII only; none at all without text."""
    if text:
        Tree.SubElement(parent, name).text = _NOT_XML.sub("?", text[:255])


async def destinations(
    record: DmarcRecord, resolver: Resolver, organisation: Organisation
) -> list[str]:
    """The mail addresses of rua that have agreed to receive this domain's reports (RFC 9990, 4).

    An address of the same organisation needs no proof; any other must publish one. Doubt is no.
    """
    found: list[str] = []
    for uri in record.reports:
        address = mailbox_of(uri)
        if not address or address in found or len(found) >= MAX_DESTINATIONS:
            continue
        if await _agrees(record.domain, address.rpartition("@")[2], resolver, organisation):
            found.append(address)
    return found


def mailbox_of(uri: str) -> str:
    """The address of a mailto URI, without the obsolete `!10m`; empty for any other scheme."""
    scheme, _, rest = uri.partition(":")
    address = rest.partition("!")[0].partition("?")[0]
    local, at, domain = address.rpartition("@")
    domain = canonical_domain(domain)
    if scheme.lower() != "mailto" or not _LOCAL.fullmatch(local):
        return ""
    return f"{local}{at}{domain}" if is_domain(domain) and _HOST.fullmatch(domain) else ""


async def _agrees(
    policy_domain: str, target: str, resolver: Resolver, organisation: Organisation
) -> bool:
    ours, theirs = await organisation.walk(policy_domain), await organisation.walk(target)
    if same_organisation(ours, theirs):
        return True
    try:
        answer = await resolver.query(f"{policy_domain}._report._dmarc.{target}", "TXT")
    except DnsError:
        return False
    return any(re.match(r"[vV]\s*=\s*DMARC1\s*(?:;|\Z)", text) for text in answer.records)
