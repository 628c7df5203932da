from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.filters import Services
from gateway.filters.spf import Memory, build
from gateway.identity.spf.check import SpfResult
from gateway.resolver import Answer, DnsError, Zone

ZONE = {
    "shop.example": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
    "mail.shop.example": {"TXT": ["v=spf1 ip4:192.0.2.0/24 -all"]},
    "macro.example": {"TXT": ["v=spf1 exists:%{l}.macro.example -all"]},
    "jane.macro.example": {"A": ["127.0.0.2"]},
    "broken.example": {"*": DnsError},
}


def spf(zone):
    resolver = Zone(zone) if isinstance(zone, dict) else zone
    return build({}, Services(resolver, None))


async def test_the_result_is_mail_froms(arrive):
    verdict = await spf(ZONE).examine(arrive(b"From: x\r\n\r\n"), {})
    assert verdict.result == "pass"
    assert verdict.details == {
        "result": "pass",
        "domain": "shop.example",
        "reason": "matches ip4:192.0.2.1 of shop.example",
        "helo": {
            "result": "pass",
            "domain": "mail.shop.example",
            "reason": "matches ip4:192.0.2.0/24 of mail.shop.example",
        },
    }
    identities = [statement.properties for statement in verdict.statements]
    assert identities == [
        (("smtp.mailfrom", "jane@shop.example"),),
        (("smtp.helo", "mail.shop.example"),),
    ]


async def test_helo_never_overrides_mail_from(arrive):
    message = arrive(b"\r\n", client_ip="192.0.2.9")
    verdict = await spf(ZONE).examine(message, {})
    assert verdict.result == "fail"
    assert verdict.details["helo"]["result"] == "pass"


async def test_the_null_path_is_judged_by_helo(arrive):
    message = arrive(b"\r\n", reverse_path="", client_ip="192.0.2.9")
    verdict = await spf(ZONE).examine(message, {})
    assert (verdict.result, verdict.details["domain"]) == ("pass", "mail.shop.example")
    assert [one.properties for one in verdict.statements] == [(("smtp.helo", "mail.shop.example"),)]


@pytest.mark.parametrize("ip", ["", "unknown"])
async def test_without_an_address_there_is_nothing_to_say(arrive, ip):
    verdict = await spf(ZONE).examine(arrive(b"\r\n", client_ip=ip), {})
    assert (verdict.result, verdict.reason) == ("none", "no client address")


@pytest.mark.parametrize("helo", ["[192.0.2.1]", "localhost", "", "a..b", "x" * 300, "\x00 \"';"])
@pytest.mark.parametrize(
    "path", ["", "nobody", "@shop.example", "a@[192.0.2.1]", "a@b@shop.example"]
)
async def test_odd_names_give_a_word(arrive, helo, path):
    verdict = await spf(ZONE).examine(arrive(b"\r\n", helo=helo, reverse_path=path), {})
    assert verdict.result == ("pass" if path.endswith("@shop.example") else "none")


async def test_trouble_is_temperror(arrive):
    verdict = await spf(ZONE).examine(arrive(b"\r\n", reverse_path="a@broken.example"), {})
    assert verdict.result == "temperror"
    assert verdict.details["domain"] == "broken.example"


async def test_a_silent_helo_does_not_hold_up_mail_from(arrive, monkeypatch):
    monkeypatch.setattr("gateway.filters.spf.HELO_WAIT", 0.01)

    class Half(Zone):
        async def query(self, name: str, kind: str) -> Answer:
            if name == "mail.shop.example":
                await asyncio.Event().wait()
            return await super().query(name, kind)

    verdict = await spf(Half(ZONE)).examine(arrive(b"\r\n"), {})
    assert verdict.result == "pass"
    assert "helo" not in verdict.details


async def test_results_are_remembered_while_they_hold(arrive):
    zone = Zone(ZONE)
    judge = spf(zone)
    message = arrive(b"\r\n")
    await judge.examine(message, {})
    asked = len(zone.asked)
    other = arrive(
        b"\r\n", reverse_path="jim@shop.example", time=message.arrival.time + timedelta(seconds=299)
    )
    await judge.examine(other, {})
    assert len(zone.asked) == asked
    late = arrive(b"\r\n", time=message.arrival.time + timedelta(seconds=301))
    await judge.examine(late, {})
    assert len(zone.asked) == 2 * asked


async def test_a_record_that_looks_at_the_sender_is_remembered_by_sender(arrive):
    judge = spf(ZONE)
    words = [
        (await judge.examine(arrive(b"\r\n", reverse_path=f"{local}@macro.example"), {})).result
        for local in ("jane", "jim", "jane")
    ]
    assert words == ["pass", "fail", "pass"]


async def test_trouble_is_not_remembered(arrive):
    class Mended(Zone):
        broken = True

        async def query(self, name: str, kind: str) -> Answer:
            if self.broken:
                raise DnsError("timeout")
            return await super().query(name, kind)

    zone = Mended(ZONE)
    judge = spf(zone)
    verdict = await judge.examine(arrive(b"\r\n"), {})
    assert (verdict.result, verdict.reason) == ("temperror", "timeout")
    zone.broken = False
    assert (await judge.examine(arrive(b"\r\n"), {})).result == "pass"


@pytest.mark.parametrize("silent", ["1.2.0.192.in-addr.arpa", "mail.ptr.example"])
async def test_a_client_without_a_name_for_a_moment_is_not_remembered_so(arrive, silent):
    """5.5: trouble is no match; but a mechanism that could not be tried is tried again."""
    zone = {
        "ptr.example": {"TXT": ["v=spf1 ptr -all"]},
        "1.2.0.192.in-addr.arpa": {"PTR": ["mail.ptr.example"]},
        "mail.ptr.example": {"A": ["192.0.2.1"]},
    }

    class Mended(Zone):
        broken = True

        async def query(self, name: str, kind: str) -> Answer:
            if self.broken and name == silent:
                raise DnsError("timeout")
            return await super().query(name, kind)

    known = Mended(zone)
    judge = spf(known)
    message = arrive(b"\r\n", reverse_path="a@ptr.example", helo="localhost")
    assert (await judge.examine(message, {})).result == "fail"
    known.broken = False
    assert (await judge.examine(message, {})).result == "pass"


def test_the_memory_is_bounded(arrive):
    memory = Memory(3)
    now = arrive(b"\r\n").arrival.time
    for number in range(10):
        memory.put((str(number), "d", "h", "s"), now, SpfResult("pass", "d", ttl=60))
    kept = [number for number in range(10) if memory.get((str(number), "d", "h", "s"), now)]
    assert kept == [7, 8, 9]
