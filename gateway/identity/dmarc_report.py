"""Aggregate reports for domain owners (RFC 9990): rows, the XML, and who may receive them.

All of it pure: rows are recorded by the store, sent by whoever sends. A report holds addresses of
clients and domain names, never an address of a person.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree as Tree

from gateway.domains import canonical_domain
from gateway.identity.organisation import DmarcRecord, Organisation, same_organisation
from gateway.message import Message
from gateway.resolver import DnsError, Resolver
from gateway.verdict import JSON, Action, Verdict, Verdicts

NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0"
MAX_ROWS = 5000
MAX_DESTINATIONS = 5
_NOT_XML = re.compile(r"[^\x20-\x7e]")
_SPF_WORDS = ("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror")
_DISPOSITIONS = {Action.QUARANTINE: "quarantine", Action.REFUSE: "reject"}


@dataclass(frozen=True, slots=True)
class Checked:
    """One identifier that was checked, whether aligned or not."""

    domain: str
    result: str
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """What one message adds to a report; equal rows are counted together."""

    policy_domain: str
    """Whose report it belongs to: where the record stood."""
    source_ip: str
    header_from: str
    envelope_from: str
    disposition: str
    """none, pass, quarantine, reject: what became of the message on DMARC's account."""
    dkim_aligned: bool
    spf_aligned: bool
    override: str = ""
    """trusted_forwarder or local_policy where the owner's wish was not followed."""
    dkim: tuple[Checked, ...] = ()
    spf: Checked | None = None


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who we are, as the report says it."""

    organisation: str
    email: str
    hostname: str
    generator: str = "gateway"


def row_of(message: Message, verdicts: Verdicts, action: Action) -> Row | None:
    """The row of one message; None when no policy applied or nothing certain was found."""
    dmarc = verdicts.get("dmarc")
    if dmarc is None or dmarc.troubled or dmarc.details.get("policy") is None:
        return None
    details, applied = dmarc.details, str(dmarc.details.get("applied"))
    disposition, override = "pass", ""
    if dmarc.result == "fail":
        disposition = _DISPOSITIONS.get(action, "none")
        if details.get("arc_aligned"):
            override = "trusted_forwarder"
        elif disposition != applied:
            override = "local_policy"
    path = message.arrival.envelope.reverse_path
    return Row(
        policy_domain=str(details.get("domain")),
        source_ip=message.arrival.session.client_ip,
        header_from=str(details.get("author")),
        envelope_from=canonical_domain(path.rpartition("@")[2]),
        disposition=disposition,
        dkim_aligned=bool(details.get("dkim_aligned")),
        spf_aligned=bool(details.get("spf_aligned")),
        override=override,
        dkim=_signatures(verdicts.get("dkim")),
        spf=_spf(verdicts.get("spf")),
    )


def _signatures(verdict: Verdict | None) -> tuple[Checked, ...]:
    entries = verdict.details.get("signatures") if verdict else None
    return tuple(
        Checked(_text(one, "domain"), _text(one, "result"), _text(one, "selector"))
        for one in (entries if isinstance(entries, list) else ())
        if isinstance(one, dict) and one.get("domain")
    )


def _text(entry: Mapping[str, JSON], name: str) -> str:
    return str(entry.get(name, ""))


def _spf(verdict: Verdict | None) -> Checked | None:
    if verdict is None or not verdict.details.get("domain"):
        return None
    word = verdict.result if verdict.result in _SPF_WORDS else "none"
    return Checked(str(verdict.details["domain"]), word)


def report_xml(
    reporter: Reporter,
    record: DmarcRecord,
    begin: datetime,
    end: datetime,
    rows: Mapping[Row, int],
    method: str = "treewalk",
) -> bytes:
    """One policy domain's report for [begin, end], gzipped; the most frequent MAX_ROWS rows.

    `record` is the policy as published now; `method` is treewalk or psl.
    """
    feedback = Tree.Element("feedback", {"xmlns": NAMESPACE})
    _add(feedback, "version", "1.0")
    left_out = len(rows) - MAX_ROWS
    feedback.append(_metadata(reporter, record, begin, end, left_out))
    feedback.append(_published(record, method))
    frequent = sorted(rows.items(), key=lambda item: (-item[1], item[0].source_ip))
    feedback.extend(_record(row, count) for row, count in frequent[:MAX_ROWS])
    octets: bytes = Tree.tostring(feedback, encoding="utf-8", xml_declaration=True)
    return gzip.compress(octets, mtime=0)


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
        _add(metadata, "error", f"{left_out} rows left out, the rarest ones")
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
    if scheme.lower() != "mailto" or not re.fullmatch(r"[A-Za-z0-9._+=/-]+", local):
        return ""
    return f"{local}{at}{canonical_domain(domain)}"


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
