from __future__ import annotations

import hashlib

import pytest

from gateway import header
from gateway.filters import Services
from gateway.filters.arc import authors_passed, build
from gateway.identity.arc.sealer import seal
from gateway.identity.dkim.canonical import body_pieces
from gateway.resolver import Zone
from gateway.verdict import AuthResult

LETTER = b"From: jane@shop.example\r\nSubject: x\r\n\r\nhello\r\n"


@pytest.fixture
def sealed(identity, arrive):
    """`sealed(content, "list.example", dmarc="pass")` puts one more set on top."""

    def make(content: bytes, domain: str, dmarc: str = "pass", author: str = "shop.example"):
        section = header.split(content, 1000)
        digest = hashlib.sha256(b"".join(body_pieces(content, section.body_start, "relaxed")))
        statements = (
            AuthResult("arc", "pass" if b"ARC-Seal" in content else "none"),
            AuthResult("dmarc", dmarc, (("header.from", author),)),
        )
        now = arrive(b"\r\n").arrival.time
        signer = identity(domain, kind="ed25519").signer
        return seal(section.fields, digest.digest(), signer, domain, statements, now) + content

    return make


@pytest.fixture
def examine(identity, arrive):
    async def judged(content: bytes, *trusted: str):
        zone: dict = {}
        for domain in ("list.example", "fwd.example", "mx.big.example"):
            zone |= identity(domain, kind="ed25519").zone
        services = Services(Zone(zone), None, trusted_sealers=trusted)
        return await build({}, services).examine(arrive(content), {})

    return judged


async def test_details(sealed, examine):
    content = sealed(sealed(LETTER, "list.example"), "fwd.example")
    verdict = await examine(content)
    assert verdict.result == "pass"
    assert verdict.details == {
        "result": "pass",
        "instance": 2,
        "reason": "",
        "domain": "fwd.example",
        "sealers": ["list.example", "fwd.example"],
        "trusted_authors": {},
    }
    assert [(one.method, one.result) for one in verdict.statements] == [("arc", "pass")]


async def test_without_a_chain(examine):
    verdict = await examine(LETTER, "list.example")
    assert (verdict.result, verdict.details["instance"]) == ("none", 0)


@pytest.mark.parametrize(
    ("hops", "trusted", "proven"),
    [
        ([("list.example", "pass")], ["list.example"], "list.example"),
        ([("list.example", "pass")], ["LIST.example."], "list.example"),
        ([("mx.big.example", "pass")], ["big.example"], "mx.big.example"),
        ([("list.example", "pass")], [], None),
        ([("list.example", "pass")], ["other.example"], None),
        ([("list.example", "fail")], ["list.example"], None),
        # A later hand we do not trust could have made up all that came before.
        ([("list.example", "pass"), ("fwd.example", "fail")], ["list.example"], None),
        (
            [("list.example", "pass"), ("fwd.example", "fail")],
            ["list.example", "fwd.example"],
            "list.example",
        ),
        ([("list.example", "pass"), ("fwd.example", "fail")], ["fwd.example"], None),
        ([("list.example", "fail"), ("fwd.example", "pass")], ["fwd.example"], "fwd.example"),
    ],
)
async def test_whom_trusted_sealers_vouch_for(sealed, examine, hops, trusted, proven):
    content = LETTER
    for domain, dmarc in hops:
        content = sealed(content, domain, dmarc)
    verdict = await examine(content, *trusted)
    assert verdict.details["trusted_authors"] == ({"shop.example": proven} if proven else {})


async def test_a_broken_chain_vouches_for_nobody(sealed, examine):
    content = sealed(LETTER, "list.example").replace(b"hello", b"other")
    verdict = await examine(content, "list.example")
    assert (verdict.result, verdict.details["trusted_authors"]) == ("fail", {})


async def test_what_was_added_above_is_vouched_for_by_nobody(sealed, examine):
    content = sealed(b"Cc: a@shop.example\r\n" + LETTER, "list.example")
    assert (await examine(content, "list.example")).details["trusted_authors"]
    verdict = await examine(b"Cc: b@shop.example\r\n" + content, "list.example")
    assert (verdict.result, verdict.details["trusted_authors"]) == ("pass", {})


async def test_a_header_section_read_in_part_is_no_chain(sealed, examine):
    head, gap, body = sealed(LETTER, "list.example").partition(b"\r\n\r\n")
    verdict = await examine(head + b"\r\n" + b"X: 1\r\n" * 10_000 + b"Y: 1" + gap + body)
    assert (verdict.result, verdict.details["instance"]) == ("fail", 1)


@pytest.mark.parametrize(
    ("value", "authors"),
    [
        (b" i=1; mx.x; dmarc=pass header.from=Shop.Example", ["shop.example"]),
        (b" i=1; mx.x; dmarc=pass (p=x) header.from=jane@shop.example", ["shop.example"]),
        (b" i=1; mx.x; dmarc=fail header.from=shop.example", []),
        (b' i=1; mx.x; spf=pass reason="dmarc=pass header.from=shop.example"', []),
        (b" i=1; mx.x; spf=pass (; dmarc=pass header.from=shop.example)", []),
        (b" i=1; mx.x; dmarc=pass", []),
        (b" i=1;", []),
    ],
)
def test_reading_what_a_sealer_saw(value, authors):
    assert authors_passed(value) == authors
