"""DMARC aggregate reports end to end: letters in over SMTP, the day's reports out (RFC 9990)."""

from __future__ import annotations

import gzip
from datetime import UTC, timedelta
from email import message_from_bytes, policy
from xml.etree import ElementTree as Tree

import dkim
import pytest
from support.running import header

from gateway.edge import clock
from gateway.identity.signing import SigningKey
from gateway.resolver import DnsError

WISH = "dmarc_reports: {from: dmarc@shop.example, organisation: 'The Shöp'}\n"
PLAIN = "\nfilters: [{use: spf}, {use: dkim}, {use: arc}, {use: dmarc, then: {THEN}}]\n"
TAG = PLAIN.replace("THEN", "fail-reject: tag")
NAMES = {"d": "urn:ietf:params:xml:ns:dmarc-2.0"}
ASKING = "v=DMARC1; p=reject; rua=mailto:reports@author.example,mailto:box@collector.example"
PROOF = {"author.example._report._dmarc.collector.example": {"TXT": ["v=DMARC1"]}}


def zone(record: str = ASKING, **more) -> dict:
    return {"_dmarc.author.example": {"TXT": [record]}} | more


def next_day():
    return clock.now() + timedelta(days=1, hours=5)


def attached(mail: bytes) -> tuple[str, Tree.Element]:
    """The name of the attachment, and the report in it."""
    message = message_from_bytes(mail, policy=policy.default)
    (part,) = message.iter_attachments()
    assert part.get_content_type() == "application/gzip"
    return part.get_filename(), Tree.fromstring(gzip.decompress(part.get_content()))


def texts(report: Tree.Element, path: str) -> list[str]:
    steps = "/".join(f"d:{step}" for step in path.split("/"))
    return [found.text for found in report.findall(steps, NAMES)]


async def test_those_who_agreed_hear_what_was_found(run, letter, key_pems):
    async with run(zone(**PROOF), filters=TAG, more=WISH) as running:
        for _ in range(2):
            await running.send(letter(to="silent@shop.example"), "silent@shop.example")
        await running.send(letter(signed=False), "silent@shop.example", sender="x@evil.example")
        await running.delivered("mailbox", 3)
        assert await running.gateway.report(clock.now()) == 0, "the day is not over"
        assert await running.gateway.report(next_day()) == 1
        assert await running.gateway.report(next_day()) == 0, "once"
        mails = await running.delivered("outbound", 2)
        await running.settled()
        balance = await running.gateway.store.balance()
    assert {header(mail, "To") for mail in mails} == {
        "<reports@author.example>",
        "<box@collector.example>",
    }
    assert balance.balanced
    assert balance.accepted == 3
    mail = mails[0]
    assert mail.startswith(b"Return-Path: <>\n")
    words = "Report Domain: author.example Submitter: mx1.test.example Report-ID: <"
    assert header(mail, "Subject").startswith(words)
    assert header(mail, "Auto-Submitted") == "auto-generated"
    octets = mail.partition(b"\n")[2].replace(b"\n", b"\r\n")
    record = SigningKey(key_pems["rsa"]).record().encode()
    assert dkim.verify(octets, dnsfunc=lambda name, timeout=5: record)
    assert b"d=shop.example" in mail
    name, report = attached(mail)
    assert name.startswith("mx1.test.example!author.example!")
    assert name.endswith(".xml.gz")
    assert texts(report, "report_metadata/org_name") == ["The Sh?p"]
    assert texts(report, "report_metadata/email") == ["dmarc@shop.example"]
    assert texts(report, "policy_published/p") == ["reject"]
    assert texts(report, "record/row/count") == ["2", "1"]
    assert texts(report, "record/row/policy_evaluated/disposition") == ["pass", "none"]
    assert texts(report, "record/row/policy_evaluated/dkim") == ["pass", "fail"]
    assert texts(report, "record/row/policy_evaluated/spf") == ["pass", "fail"]
    assert texts(report, "record/row/policy_evaluated/reason/type") == ["local_policy"]
    assert texts(report, "record/identifiers/envelope_from") == ["author.example", "evil.example"]
    assert b"jo@" not in Tree.tostring(report)


async def test_a_letter_turned_away_is_told_too(run, letter):
    filters = PLAIN.replace("THEN", "fail-reject: refuse")
    async with run(zone(), filters=filters, more=WISH) as running:
        code, _ = await running.send(letter(signed=False), sender="x@evil.example")
        assert code == 550
        assert await running.gateway.report(next_day()) == 1
        (mail,) = await running.delivered("outbound")
    _, report = attached(mail)
    assert texts(report, "record/row/policy_evaluated/disposition") == ["reject"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ["<reports@author.example>"]),
        (PROOF, ["<box@collector.example>", "<reports@author.example>"]),
        (
            {"author.example._report._dmarc.collector.example": {"TXT": DnsError}},
            ["<reports@author.example>"],
        ),
    ],
    ids=["no proof", "proof", "no answer"],
)
async def test_an_outsider_must_have_agreed(run, letter, more, expected):
    async with run(zone(**more), filters=TAG, more=WISH) as running:
        await running.send(letter(to="silent@shop.example"), "silent@shop.example")
        await running.delivered()
        assert await running.gateway.report(next_day()) == 1
        await running.settled()
        mails = await running.delivered("outbound", len(expected))
    assert sorted(header(mail, "To") for mail in mails) == expected


@pytest.mark.parametrize(
    ("record", "wish"),
    [
        ("v=DMARC1; p=reject", WISH),
        ("v=DMARC1; p=reject; rua=mailto:box@collector.example", WISH),
        (ASKING, ""),
    ],
    ids=["not asked for", "nobody agreed", "switched off"],
)
async def test_nobody_hears_of_it(run, letter, record, wish):
    async with run(zone(record), filters=TAG, more=wish) as running:
        await running.send(letter(to="silent@shop.example"), "silent@shop.example")
        await running.delivered()
        assert await running.gateway.report(next_day()) == 0
        assert await running.gateway.store.claim_report(next_day() + timedelta(days=9)) is None
        await running.settled()
        assert not list((running.folder / "outbound").glob("new/*"))


async def test_a_silent_dns_is_asked_again_and_then_let_be(run, letter):
    names = zone()
    async with run(names, filters=TAG, more=WISH) as running:
        await running.send(letter(to="silent@shop.example"), "silent@shop.example")
        await running.delivered()

        class Silent:
            async def query(self, name: str, kind: str):
                raise DnsError("silent")

            async def close(self) -> None:
                return

        real, running.gateway._resolver = running.gateway._resolver, Silent()
        now = next_day()
        try:
            for hour in range(9):
                assert await running.gateway.report(now + timedelta(hours=hour)) == 0
        finally:
            running.gateway._resolver = real
        assert await running.gateway.store.claim_report(now + timedelta(days=9)) is None


async def test_days_are_utc(run, letter):
    async with run(zone(), filters=TAG, more=WISH) as running:
        await running.send(letter(to="silent@shop.example"), "silent@shop.example")
        await running.delivered()
        report = await running.gateway.store.claim_report(next_day())
    assert report.begin.astimezone(UTC).strftime("%H:%M") == "00:00"
    assert report.end - report.begin == timedelta(days=1)
