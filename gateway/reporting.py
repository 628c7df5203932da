"""Sending DMARC aggregate reports (RFC 9990), by whichever worker comes first.

A report goes only where the domain's record as published now asks for it, and to an address of
another organisation only if that one agreed. It is mail of our own, signed, from a null path.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from gateway.acknowledgement import octets
from gateway.acknowledgement.message_ids import MessageIds
from gateway.domains import is_same_or_below
from gateway.identity import dmarc_report
from gateway.identity.dmarc_rows import from_text
from gateway.identity.organisation import (
    DmarcRecord,
    Organisation,
    SuffixList,
    TreeWalk,
    find_record,
)
from gateway.identity.signing import Signer
from gateway.journal import Journal
from gateway.message import Arrival, Envelope, Session
from gateway.plan import Letter
from gateway.resolver import DnsError, Resolver
from gateway.settings import DmarcReports, Settings, Site
from gateway.store import DmarcReport, Store

RETRY = timedelta(hours=1)
ATTEMPTS = 5
"""Tries to learn the domain's record; then its report is let go."""


def signing_site(settings: Settings, address: str) -> Site | None:
    """The site that signs for an address's domain, so that a report is proven (RFC 9990)."""
    domain = address.rpartition("@")[2]
    for site in settings.sites:
        if site.signing and is_same_or_below(domain, site.signing.domain):
            return site
    return None


@dataclass(frozen=True, slots=True)
class Reporting:
    settings: Settings
    wish: DmarcReports
    resolver: Resolver
    store: Store
    signers: Mapping[str, Signer]
    ids: MessageIds
    journal: Journal
    clock: Callable[[], datetime]
    new_id: Callable[[datetime], str]
    """A fresh queue id."""

    async def send_due(self, now: datetime) -> int:
        """Make every report that is due at `now`; gives how many were queued."""
        sent = 0
        while (report := await self.store.claim_report(now)) is not None:
            sent += await self._send(report, now)
        return sent

    async def _send(self, report: DmarcReport, now: datetime) -> bool:
        if report.attempts > ATTEMPTS:  # it broke us, or nobody answered: better none than for ever
            await self.store.end_report(report)
            return False
        record = await find_record(self.resolver, report.domain)
        if isinstance(record, DnsError):
            if report.attempts < ATTEMPTS:
                await self.store.put_report_off(report, now + RETRY)
                return False
            record = None
        to = await self._destinations(record) if record else []
        if record is None or not to:
            await self.store.end_report(report)
            return False
        time = self.clock()
        mail = Arrival(self.new_id(time), time, Session(""), Envelope("", ()), b"")
        letters = self._letters(report, record, to, mail)
        kept = await self.store.end_report(report, mail, letters)
        self.journal.lifecycle(
            "dmarc report", id=mail.queue_id, domain=report.domain, kinds=len(report.rows)
        )
        return kept

    async def _destinations(self, record: DmarcRecord) -> list[str]:
        tree = self.settings.organisational_domain == "tree"
        organisation: Organisation = TreeWalk(self.resolver) if tree else SuffixList(self.resolver)
        return await dmarc_report.destinations(record, self.resolver, organisation)

    def _letters(
        self, report: DmarcReport, record: DmarcRecord, to: Sequence[str], mail: Arrival
    ) -> list[Letter]:
        """One for each address, so that one that fails holds up no other."""
        site = signing_site(self.settings, self.wish.sender)
        us = dmarc_report.Reporter(
            self.wish.organisation or self.settings.hostname,
            self.wish.sender,
            self.settings.hostname,
        )
        packed = dmarc_report.report_xml(
            us,
            record,
            report.begin,
            report.end,
            {from_text(text): count for text, count in report.rows.items()},
            "treewalk" if self.settings.organisational_domain == "tree" else "psl",
            report.left_out,
        )
        name = dmarc_report.file_name(us, record, report.begin, report.end)
        subject = dmarc_report.subject(us, record, report.begin)
        signer = self.signers.get(site.site) if site else None
        letters = []
        for number, address in enumerate(to, 1):
            message_id = self.ids.make(f"{mail.queue_id}.{number}", "dmarc")
            content = compose(us, address, subject, name, packed, message_id, mail.time)
            letters.append(
                Letter(
                    id=f"{mail.queue_id}.{number}",
                    kind="report",
                    site=site.site if site else "",
                    next_hop=self.settings.outbound_hop(site),
                    reverse_path="",
                    recipients=(address,),
                    own=signer.sign(content, mail.time) + content if signer else content,
                )
            )
        return letters


def compose(
    us: dmarc_report.Reporter,
    to: str,
    subject: str,
    name: str,
    packed: bytes,
    message_id: str,
    now: datetime,
) -> bytes:
    """The mail that carries a report: a sentence for people, the file for programs."""
    boundary = "=_dmarc_" + hashlib.sha256(packed).hexdigest()[:32]
    head = "".join(
        (
            octets.field("From", octets.mailbox(us.organisation, us.email)),
            octets.field("To", octets.mailbox("", to)),
            octets.field("Subject", octets.text(subject, len("Subject: "), 900)),
            octets.field("Date", octets.date(now)),
            octets.field("Message-ID", message_id),
            octets.field("Auto-Submitted", "auto-generated"),
            octets.field("MIME-Version", "1.0"),
            octets.field("Content-Type", f'multipart/mixed;\r\n boundary="{boundary}"'),
        )
    )
    words = f"This is a DMARC aggregate report of {us.hostname}, made automatically (RFC 9990).\n"
    file_name = quote(name, safe="!.-_")
    attachment = (
        "Content-Type: application/gzip\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment;\r\n filename="{file_name}"\r\n\r\n'
    ).encode() + base64.encodebytes(packed).replace(b"\n", b"\r\n")
    opening = f"--{boundary}\r\n".encode()
    parts = (octets.text_part("plain", words), attachment)
    body = b"".join(opening + part for part in parts)
    return head.encode() + b"\r\n" + body + f"--{boundary}--\r\n".encode()
