from __future__ import annotations

import pytest

from gateway.filters import Services
from gateway.filters.dkim import build, verdict_of
from gateway.identity.dkim.verifier import SignatureResult
from gateway.resolver import DnsError, Zone

LETTER = b"From: jane@shop.example\r\nSubject: x\r\n\r\nhello\r\n"


def dkim(zone, options=None, **limits):
    return build(options or {}, Services(Zone(zone), None, limits=limits))


async def test_unsigned(arrive):
    verdict = await dkim({}).examine(arrive(LETTER), {})
    assert (verdict.result, verdict.details["signatures"]) == ("none", [])
    assert [(one.method, one.result) for one in verdict.statements] == [("dkim", "none")]


async def test_one_entry_for_each_signature(identity, arrive):
    shop, esp = identity("shop.example"), identity("esp.example", selector="s1", kind="ed25519")
    content = shop.sign(esp.sign(LETTER))
    verdict = await dkim(shop.zone).examine(arrive(content), {})
    assert verdict.result == "pass"
    assert verdict.details["signatures"] == [
        {
            "result": "pass",
            "domain": "shop.example",
            "selector": "gw",
            "algorithm": "rsa-sha256",
            "reason": "",
        },
        {
            "result": "permerror",
            "domain": "esp.example",
            "selector": "s1",
            "algorithm": "ed25519-sha256",
            "reason": "no key",
        },
    ]
    assert {"from", "subject"} <= set(verdict.details["covered"])
    first, second = verdict.statements
    assert (first.method, first.result, first.properties[:3]) == (
        "dkim",
        "pass",
        (("header.d", "shop.example"), ("header.s", "gw"), ("header.a", "rsa-sha256")),
    )
    name, start = first.properties[3]
    assert name == "header.b"
    assert start.encode() in content
    assert (second.result, second.reason) == ("permerror", "no key")


async def test_a_malformed_signature_is_shown_as_far_as_it_can_be(arrive):
    content = b"DKIM-Signature: v=1; d=Shop.Example; s=a b; a=rsa-md5\r\n" + LETTER
    verdict = await dkim({}).examine(arrive(content), {})
    (entry,) = verdict.details["signatures"]
    assert entry == {
        "result": "permerror",
        "domain": "shop.example",
        "selector": "a b",
        "algorithm": "rsa-md5",
        "reason": "b= is missing",
    }


async def test_trouble(identity, arrive):
    shop = identity("shop.example")
    zone = {name: {"TXT": DnsError} for name in shop.zone}
    verdict = await dkim(zone).examine(arrive(shop.sign(LETTER)), {})
    assert verdict.result == "temperror"
    assert verdict.details["covered"] == []


@pytest.mark.parametrize(
    ("options", "limits", "read"),
    [({}, {}, 5), ({"signatures": 2}, {}, 2), ({}, {"signatures": 3}, 3)],
)
async def test_how_many_are_read(identity, arrive, options, limits, read):
    shop = identity("shop.example")
    content = shop.sign(LETTER)
    field = content[: len(content) - len(LETTER)]
    verdict = await dkim(shop.zone, options, **limits).examine(arrive(field * 7 + LETTER), {})
    assert len(verdict.details["signatures"]) == read
    assert verdict.details["unread"] == 7 - read


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (["fail", "pass", "temperror"], "pass"),
        (["fail", "temperror", "policy"], "temperror"),
        (["permerror", "policy", "fail"], "policy"),
        (["fail", "neutral"], "neutral"),
        (["permerror", "fail"], "fail"),
        (["permerror"], "permerror"),
    ],
)
def test_the_whole_is_its_best_signature(words, whole):
    results = [SignatureResult(word, "shop.example", names=(word,)) for word in words]
    verdict = verdict_of(results)
    assert verdict.result == whole
    assert verdict.details["covered"] == (["pass"] if "pass" in words else [])
