from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, datetime
from xml.etree import ElementTree as Tree

import pytest

from gateway.identity import dmarc_report
from gateway.identity.dmarc_report import (
    Reporter,
    destinations,
    file_name,
    mailbox_of,
    report_xml,
    subject,
)
from gateway.identity.dmarc_rows import Checked, Row, counted, from_text, row_of, to_text
from gateway.identity.organisation import TreeWalk, parse_dmarc
from gateway.resolver import DnsError, Zone
from gateway.verdict import Action, Verdict

BEGIN, END = datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)
US = Reporter("Site Ltd", "postmaster@site.example", "mx1.site.example")
RECORD = parse_dmarc(
    "v=DMARC1; p=reject; sp=quarantine; aspf=s; rua=mailto:dmarc@shop.example", "shop.example"
)
NAMES = {"d": dmarc_report.NAMESPACE}


def row(**changes) -> Row:
    values = {
        "policy_domain": "shop.example",
        "source_ip": "192.0.2.1",
        "header_from": "mail.shop.example",
        "envelope_from": "bounce.shop.example",
        "disposition": "pass",
        "dkim_aligned": True,
        "spf_aligned": False,
        "dkim": (Checked("shop.example", "pass", "gw"), Checked("esp.example", "fail", "s1")),
        "spf": Checked("bounce.shop.example", "softfail"),
    }
    return Row(**(values | changes))


def read(octets: bytes) -> Tree.Element:
    return Tree.fromstring(gzip.decompress(octets))


def texts(element: Tree.Element, path: str) -> list[str]:
    steps = "/".join(f"d:{step}" for step in path.split("/"))
    return [found.text for found in element.findall(steps, NAMES)]


def test_the_report():
    rows = Counter([row(), row(), row(source_ip="2001:db8::1", disposition="reject")])
    feedback = read(report_xml(US, RECORD, BEGIN, END, rows))
    assert feedback.tag == f"{{{dmarc_report.NAMESPACE}}}feedback"
    for path, expected in {
        "version": ["1.0"],
        "report_metadata/org_name": ["Site Ltd"],
        "report_metadata/email": ["postmaster@site.example"],
        "report_metadata/report_id": ["1795305600.shop.example@mx1.site.example"],
        "report_metadata/date_range/begin": ["1795305600"],
        "report_metadata/date_range/end": ["1795392000"],
        "report_metadata/error": [],
        "policy_published/domain": ["shop.example"],
        "policy_published/p": ["reject"],
        "policy_published/sp": ["quarantine"],
        "policy_published/np": [],
        "policy_published/adkim": ["r"],
        "policy_published/aspf": ["s"],
        "policy_published/testing": ["n"],
        "policy_published/discovery_method": ["treewalk"],
        "record/row/source_ip": ["192.0.2.1", "2001:db8::1"],
        "record/row/count": ["2", "1"],
        "record/row/policy_evaluated/disposition": ["pass", "reject"],
        "record/row/policy_evaluated/dkim": ["pass", "pass"],
        "record/row/policy_evaluated/spf": ["fail", "fail"],
        "record/identifiers/header_from": ["mail.shop.example"] * 2,
        "record/identifiers/envelope_from": ["bounce.shop.example"] * 2,
        "record/auth_results/dkim/domain": ["shop.example", "esp.example"] * 2,
        "record/auth_results/dkim/selector": ["gw", "s1"] * 2,
        "record/auth_results/spf/scope": ["mfrom"] * 2,
        "record/auth_results/spf/result": ["softfail"] * 2,
    }.items():
        assert texts(feedback, path) == expected, path


def test_names():
    assert file_name(US, RECORD, BEGIN, END) == (
        "mx1.site.example!shop.example!1795305600!1795392000.xml.gz"
    )
    assert subject(US, RECORD, BEGIN) == (
        "Report Domain: shop.example Submitter: mx1.site.example "
        "Report-ID: <1795305600.shop.example@mx1.site.example>"
    )


def test_hostile_values_stay_values():
    hostile = "</domain><p>none</p>\x00\r\n&ü" + "x" * 500
    rows = {row(header_from=hostile, dkim=(Checked(hostile, hostile, hostile),)): 1}
    feedback = read(report_xml(US, RECORD, BEGIN, END, rows))
    (found,) = texts(feedback, "record/identifiers/header_from")
    assert found.startswith("</domain><p>none</p>???&?x")
    assert len(found) == 255


def test_a_report_is_bounded(monkeypatch):
    monkeypatch.setattr(dmarc_report, "MAX_ROWS", 3)
    rows = {row(source_ip=f"192.0.2.{n}"): n for n in range(1, 10)}
    feedback = read(report_xml(US, RECORD, BEGIN, END, rows))
    assert texts(feedback, "record/row/count") == ["9", "8", "7"]
    (error,) = texts(feedback, "report_metadata/error")
    assert error.startswith("21 messages left out")


def test_a_report_is_bounded_in_octets_too(monkeypatch):
    monkeypatch.setattr(dmarc_report, "MAX_OCTETS", 1500)
    rows = {row(source_ip=f"192.0.{n}.1", header_from=f"{n * n}.example"): 1 for n in range(200)}
    packed = report_xml(US, RECORD, BEGIN, END, rows, left_out=7)
    assert len(packed) <= 1500
    told = len(texts(read(packed), "record/row/count"))
    assert 0 < told < 200
    (error,) = texts(read(packed), "report_metadata/error")
    assert error.startswith(f"{207 - told} messages left out")


def test_rows_are_kept_as_lines():
    for one in (row(), row(spf=None, dkim=(), override="local_policy")):
        assert from_text(to_text(one)) == one
    assert to_text(row()) == to_text(row())


def test_what_was_put_off_is_counted_when_it_comes_again(arrive):
    verdicts = {"dmarc": dmarc("pass")}
    assert counted(arrive(b"\r\n"), verdicts, Action.DEFER) is None
    found = counted(arrive(b"\r\n"), verdicts, Action.DELIVER)
    assert found.domain == "shop.example"
    assert from_text(found.facts) == row_of(arrive(b"\r\n"), verdicts, Action.DELIVER)


def dmarc(result: str, **details) -> Verdict:
    known = {
        "domain": "shop.example",
        "policy": "reject",
        "applied": "reject",
        "author": "shop.example",
        "reports": True,
    }
    return Verdict(result, details=known | details)


@pytest.mark.parametrize(
    ("verdict", "action", "expected"),
    [
        (dmarc("pass", dkim_aligned=True), Action.DELIVER, ("pass", "")),
        (dmarc("pass"), Action.QUARANTINE, ("pass", "")),
        (dmarc("fail"), Action.REFUSE, ("reject", "")),
        (dmarc("fail"), Action.TAG, ("none", "local_policy")),
        (dmarc("fail", policy="none", applied="none"), Action.DELIVER, ("none", "")),
        (dmarc("fail", applied="quarantine"), Action.QUARANTINE, ("quarantine", "")),
        (
            dmarc("fail", arc_aligned=True, applied="none"),
            Action.DELIVER,
            ("none", "trusted_forwarder"),
        ),
    ],
)
def test_what_a_message_adds(arrive, verdict, action, expected):
    found = row_of(arrive(b"\r\n"), {"dmarc": verdict}, action)
    assert (found.disposition, found.override) == expected
    assert (found.policy_domain, found.source_ip, found.envelope_from) == (
        "shop.example",
        "192.0.2.1",
        "shop.example",
    )


@pytest.mark.parametrize(
    "verdicts",
    [
        {},
        {"dmarc": dmarc("none", policy=None)},
        {"dmarc": dmarc("temperror")},
        {"dmarc": dmarc("pass", reports=False)},
        {"dmarc": Verdict("none")},
    ],
)
def test_messages_that_add_nothing(arrive, verdicts):
    assert row_of(arrive(b"\r\n"), verdicts, Action.DELIVER) is None


def test_what_spf_and_dkim_said(arrive):
    signatures = [
        {"domain": "d.example", "result": "fail", "selector": "s"},
        {"domain": "", "result": "permerror"},
    ]
    verdicts = {
        "dmarc": dmarc("pass"),
        "spf": Verdict("neutral", details={"domain": "b.example"}),
        "dkim": Verdict("fail", details={"signatures": signatures}),
    }
    found = row_of(arrive(b"\r\n"), verdicts, Action.DELIVER)
    assert found.spf == Checked("b.example", "neutral")
    assert found.dkim == (Checked("d.example", "fail", "s"),)


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("mailto:dmarc@shop.example", "dmarc@shop.example"),
        ("MAILTO:d+m@Shop.example!10m", "d+m@shop.example"),
        ("mailto:d@shop.example?subject=x", "d@shop.example"),
        ("https://shop.example/x", ""),
        ("mailto:a b@shop.example", ""),
        ("mailto:a%0d%0a@shop.example", ""),
        ("mailto:a@shop.example>", ""),
        ('mailto:a@"x".shop.example', ""),
        ("mailto:a@x;y.shop.example", ""),
        ("mailto:a@shop..example", ""),
    ],
)
def test_addresses(uri, address):
    assert mailbox_of(uri) == address


async def test_only_who_agreed_gets_reports():
    record = parse_dmarc(
        "v=DMARC1; p=none; rua=mailto:a@shop.example,mailto:b@mail.shop.example,"
        "mailto:c@yes.example,mailto:d@no.example,mailto:e@dead.example,https://x.example/y,mailto:a@shop.example",
        "shop.example",
    )
    zone = Zone(
        {
            "_dmarc.shop.example": {"TXT": ["v=DMARC1; p=none"]},
            "shop.example._report._dmarc.yes.example": {"TXT": ["x", "v=DMARC1"]},
            "shop.example._report._dmarc.no.example": {"TXT": ["v=DMARC1x"]},
            "shop.example._report._dmarc.dead.example": {"TXT": DnsError},
        }
    )
    found = await destinations(record, zone, TreeWalk(zone))
    assert found == ["a@shop.example", "b@mail.shop.example", "c@yes.example"]
